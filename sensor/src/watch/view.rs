//! What the screen shows: the rows that are kept, where somebody looks, and what they look for.

use std::collections::VecDeque;

use super::{Fed, Row, losses::Losses, top::Top};

/// Most rows that are kept: the oldest makes room for the newest.
pub const ROWS: usize = 10_000;

/// What the screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// One row for each event.
    #[default]
    Rows,
    /// Execs below the exec of their parent.
    Tree,
    /// Figures by pod, program and destination.
    Top,
}

/// What is in front of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Front {
    #[default]
    Nothing,
    /// Every field of an event, from that one on.
    Details(Box<Row>, usize),
    Help,
    /// Somebody types what to look for.
    Search(String),
}

/// The state of the screen.
#[derive(Debug, Default)]
pub struct View {
    pub(super) show: Show,
    pub(super) front: Front,
    rows: VecDeque<Row>,
    /// Number of the first row that is kept; rows are numbered from 0 on.
    first: u64,
    /// The row where somebody looks; none: the newest.
    selected: Option<u64>,
    /// While paused: the number of rows at that time.
    paused: Option<u64>,
    /// The text that somebody looks for, in lowercase.
    pub(super) wanted: String,
    pub(super) top: Top,
    pub(super) losses: Losses,
    /// Kinds of events that somebody wants to see, and that the sensor does not capture.
    pub(super) not_captured: Vec<String>,
    /// Lines that are no event, and the reason of the last one.
    pub(super) unreadable: (u64, String),
    /// Events that the condition leaves out.
    pub(super) left_out: u64,
    /// What is shown, for the status line.
    pub(super) what: String,
    /// Whether the input has ended.
    pub(super) ended: bool,
    /// Rows of a page, as last drawn.
    pub(super) page: usize,
    pub(super) colours: bool,
}

impl View {
    /// A view without rows. `what` says what is shown.
    #[must_use]
    pub fn new(show: Show, what: String, colours: bool) -> Self {
        Self {
            show,
            what,
            colours,
            page: 1,
            ..Self::default()
        }
    }

    /// Takes what has come.
    pub fn take(&mut self, fed: Fed) {
        match fed {
            Fed::Row(row) => self.add(*row),
            Fed::LeftOut => self.left_out += 1,
            Fed::Unreadable(reason) => self.unreadable = (self.unreadable.0 + 1, reason),
            Fed::Missing(events) => self.losses.unread += events,
            Fed::NotCaptured(kinds) => self.not_captured = kinds,
            Fed::Counts(counts) => self.losses.count(&counts),
            Fed::Throttled(places) => self.top.throttled(&self.losses.throttled(&places)),
        }
    }

    /// Adds an event.
    pub fn add(&mut self, row: Row) {
        self.top.add(&row);
        if self.rows.len() == ROWS {
            self.rows.pop_front();
            self.first += 1;
        }
        self.rows.push_back(row);
    }

    /// Notes that no line follows.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Begins another second of the figures of `--top`.
    pub fn second(&mut self) {
        self.top.second();
    }

    /// Number of rows so far.
    pub(super) fn count(&self) -> u64 {
        self.first + self.rows.len() as u64
    }

    /// Number of the row after the last one that is shown.
    pub(super) fn until(&self) -> u64 {
        let count = self.count();
        self.paused.map_or(count, |paused| paused.max(self.first))
    }

    /// Number of the row where somebody looks.
    pub(super) fn at(&self) -> u64 {
        let last = self.until().saturating_sub(1);
        let at = self.selected.unwrap_or(last);
        at.clamp(self.first.min(last), last)
    }

    /// Whether a row is chosen, instead of the newest.
    pub(super) fn is_chosen(&self) -> bool {
        self.selected.is_some()
    }

    /// Number of rows that have come since the pause; none if there is no pause.
    pub(super) fn waiting(&self) -> Option<u64> {
        self.paused.map(|paused| self.count() - paused)
    }

    /// The row with that number.
    pub(super) fn row(&self, number: u64) -> Option<&Row> {
        let at = number.checked_sub(self.first)?;
        (number < self.until())
            .then(|| self.rows.get(usize::try_from(at).ok()?))
            .flatten()
    }

    /// The rows that are shown in turn, from the oldest on, with their numbers.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = (u64, &Row)> {
        let shown = usize::try_from(self.until() - self.first).unwrap_or(usize::MAX);
        let rows = self.rows.iter().enumerate().take(shown);
        rows.map(|(at, row)| (self.first + at as u64, row))
    }

    /// Looks that many rows further down; the newest row follows the events again.
    pub(super) fn go(&mut self, rows: i64) {
        let last = self.until().saturating_sub(1);
        let to = self
            .at()
            .saturating_add_signed(rows)
            .clamp(self.first.min(last), last);
        self.selected = (to < last).then_some(to);
    }

    /// Stops the screen, or lets it go on.
    pub(super) fn pause(&mut self) {
        self.paused = match self.paused {
            None => Some(self.count()),
            Some(_) => None,
        };
    }

    /// Looks at the next row above the current one that has the wanted text, from the newest again
    /// after the oldest.
    pub(super) fn find(&mut self) {
        if self.wanted.is_empty() {
            return;
        }
        let at = self.at();
        let has = |(number, row): (u64, &Row)| {
            let texts = row.fields.iter().map(|(_, value)| value);
            let found = texts.chain([&row.place, &row.process, &row.destination]);
            let mut found = found.map(|text| text.to_lowercase());
            found
                .any(|text| text.contains(&self.wanted))
                .then_some(number)
        };
        let above = self.rows().rev().filter(|(number, _)| *number < at);
        let others = self.rows().rev().filter(|(number, _)| *number >= at);
        let found = above.chain(others).find_map(has);
        if found.is_some() {
            self.selected = found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(rows: usize) -> View {
        let mut view = View::new(Show::Rows, String::new(), false);
        add(&mut view, rows);
        view
    }

    fn add(view: &mut View, rows: usize) {
        for _ in 0..rows {
            let command = view.count().to_string();
            view.add(Row {
                fields: vec![("proc.cmdline".into(), format!("Row {command};"))],
                command,
                ..Row::default()
            });
        }
    }

    #[test]
    fn the_oldest_row_makes_room_for_the_newest() {
        let view = view(ROWS + 5);
        assert_eq!(view.rows().count(), ROWS);
        assert_eq!(view.rows().next().unwrap().1.command, "5");
        assert_eq!(view.at(), ROWS as u64 + 4);
    }

    #[test]
    fn a_pause_shows_no_newer_rows_and_counts_them() {
        let mut view = view(3);
        view.pause();
        add(&mut view, 2);
        assert_eq!((view.at(), view.waiting()), (2, Some(2)));
        assert!(view.row(3).is_none());
        view.pause();
        assert_eq!((view.at(), view.waiting()), (4, None));
    }

    #[test]
    fn a_pause_outlives_the_rows_that_it_shows() {
        let mut view = view(3);
        view.pause();
        add(&mut view, ROWS + 10);
        assert_eq!(view.rows().count(), 0);
        view.go(-1);
        view.find();
        assert!(view.row(view.at()).is_none());
    }

    #[test]
    fn a_chosen_row_stays_and_the_newest_follows() {
        let mut view = view(10);
        view.go(-3);
        add(&mut view, 5);
        assert_eq!(view.at(), 6);
        view.go(100);
        add(&mut view, 1);
        assert_eq!(view.at(), 15);
        view.go(-1000);
        assert_eq!(view.at(), 0);
    }

    #[test]
    fn a_search_goes_up_and_begins_again_below() {
        let mut view = view(30);
        view.wanted = "row 1".into();
        let mut found = || {
            view.find();
            view.at()
        };
        assert_eq!([found(), found()], [19, 18]);
        view.wanted = "row 25;".into();
        view.find();
        assert_eq!(view.at(), 25);
    }
}
