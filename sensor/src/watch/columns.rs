//! Which columns a terminal has room for, and how wide each one is.

use super::Row;

/// A column.
pub(super) struct Column {
    /// The title.
    pub(super) title: &'static str,
    /// Least columns of the terminal.
    least: usize,
    /// Most columns of the terminal.
    most: usize,
    /// The share of the room that is left when all columns have their least.
    share: usize,
    /// Which column goes first if there is no room: the highest number. Zero: the column stays.
    leaves: usize,
    /// What the column shows.
    pub(super) get: fn(&Row) -> &str,
}

/// All columns, from left to right.
const COLUMNS: [Column; 7] = [
    column("TIME", 8, 8, 0, 2, Row::clock),
    column("POD OR HOST", 12, 48, 3, 1, |row| &row.place),
    column("USER", 5, 12, 1, 5, |row| &row.user),
    column("PROCESS", 11, 40, 3, 0, |row| &row.process),
    column("COMMAND", 12, 400, 6, 0, |row| &row.command),
    column("DESTINATION", 11, 47, 3, 3, |row| &row.destination),
    column("RULE", 8, 60, 2, 4, |row| &row.rule),
];

const fn column(
    title: &'static str,
    least: usize,
    most: usize,
    share: usize,
    leaves: usize,
    get: fn(&Row) -> &str,
) -> Column {
    Column {
        title,
        least,
        most,
        share,
        leaves,
        get,
    }
}

/// The columns that fit into that many columns of the terminal, each with its width; one space is
/// between two.
pub(super) fn layout(room: usize) -> Vec<(&'static Column, usize)> {
    static ALL: [Column; 7] = COLUMNS;
    let mut shown: Vec<&Column> = ALL.iter().collect();
    let needed = |shown: &[&Column]| {
        let least: usize = shown.iter().map(|column| column.least).sum();
        least + shown.len().saturating_sub(1)
    };
    while needed(&shown) > room {
        let last = shown.iter().map(|column| column.leaves).max();
        let Some(last) = last.filter(|leaves| *leaves > 0) else {
            break;
        };
        shown.retain(|column| column.leaves != last);
    }
    let mut widths: Vec<(&Column, usize)> = shown.iter().map(|one| (*one, one.least)).collect();
    let mut left = room.saturating_sub(needed(&shown));
    while left > 0 {
        let before = left;
        for (column, width) in &mut widths {
            let more = column.share.min(left).min(column.most - *width);
            *width += more;
            left -= more;
        }
        if left == before {
            break;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_never_need_more_room_than_there_is() {
        for room in 24..600 {
            let widths = layout(room);
            let all: usize = widths.iter().map(|(_, width)| width).sum();
            assert!(all + widths.len() - 1 <= room, "{room}");
        }
    }

    #[test]
    fn a_terminal_of_80_columns_shows_all_columns_and_a_narrow_one_shows_what_runs() {
        let titles = |room| {
            layout(room)
                .iter()
                .map(|(c, _)| c.title)
                .collect::<Vec<_>>()
        };
        assert_eq!(titles(80).len(), 7);
        assert_eq!(titles(30), ["PROCESS", "COMMAND"]);
    }
}
