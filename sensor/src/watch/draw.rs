//! Draws the view. Each line is made as wide as its place, so that the terminal breaks none.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    Row, Show, View, columns,
    keys::HELP,
    text::{escape, fit},
    top::TABLES,
    tree,
    view::Front,
};

/// Colours that can be read on dark and on bright screens.
const PALETTE: [Color; 6] = [
    Color::Green,
    Color::Cyan,
    Color::Magenta,
    Color::Blue,
    Color::Yellow,
    Color::Red,
];

/// Draws the whole screen.
pub(super) fn draw(view: &mut View, frame: &mut Frame<'_>) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if width == 0 || height < 3 {
        return;
    }
    // A title and a status line.
    let room = height - 2;
    view.page = room;
    let mut lines = match &view.front {
        Front::Details(row, from) => details(row, *from, width, room),
        Front::Help => help(view, width),
        Front::Nothing | Front::Search(_) => match view.show {
            Show::Rows => rows(view, width, room),
            Show::Tree => tree_rows(view, width, room),
            Show::Top => top(view, width, room),
        },
    };
    lines.truncate(height - 1);
    lines.resize(height - 1, Line::default());
    // The condition and names of files are as somebody typed them.
    let status = fit(&escape(&status(view)), width);
    lines.push(Line::styled(
        status,
        Style::new().add_modifier(Modifier::REVERSED),
    ));
    frame.render_widget(
        Paragraph::new(lines),
        Rect::new(0, 0, area.width, area.height),
    );
}

fn title(text: &str, width: usize) -> Line<'static> {
    Line::styled(fit(text, width), Style::new().add_modifier(Modifier::BOLD))
}

/// The colour of a pod, the same each time.
fn colour(place: &str) -> Color {
    // FNV-1a.
    let hash = place.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let at = usize::try_from(hash % PALETTE.len() as u64).unwrap_or(0);
    PALETTE[at]
}

fn style(view: &View, row: &Row, number: u64) -> Style {
    let style = if view.colours {
        Style::new().fg(colour(&row.place))
    } else {
        Style::new()
    };
    if view.is_chosen() && view.at() == number {
        style.add_modifier(Modifier::REVERSED)
    } else {
        style
    }
}

/// The first of `all` places that are shown, so that the place `at` is among them.
fn from(at: usize, all: usize, room: usize) -> usize {
    let last = all.saturating_sub(room);
    at.saturating_sub(room / 2).min(last)
}

fn rows(view: &View, width: usize, room: usize) -> Vec<Line<'static>> {
    let columns = columns::layout(width);
    let joined = |texts: Vec<String>| texts.join(" ");
    let titles = columns
        .iter()
        .map(|(column, width)| fit(column.title, *width));
    let mut lines = vec![title(&joined(titles.collect()), width)];
    let all = view.rows().count();
    let first = view.rows().next().map_or(0, |(number, _)| number);
    let at = usize::try_from(view.at().saturating_sub(first)).unwrap_or(0);
    let shown = view.rows().skip(from(at, all, room)).take(room);
    lines.extend(shown.map(|(number, row)| {
        let cells = columns
            .iter()
            .map(|(column, width)| fit((column.get)(row), *width));
        let text = fit(&joined(cells.collect()), width);
        Line::styled(text, style(view, row, number))
    }));
    lines
}

fn tree_rows(view: &View, width: usize, room: usize) -> Vec<Line<'static>> {
    let mut lines = vec![title(
        "TIME     EXECS, BELOW THE EXEC OF THEIR PARENT",
        width,
    )];
    let nodes = tree::nodes(view.rows());
    let chosen = nodes.iter().position(|node| node.number == view.at());
    let at = if view.is_chosen() { chosen } else { None };
    let at = at.unwrap_or_else(|| nodes.len().saturating_sub(1));
    for node in nodes.iter().skip(from(at, nodes.len(), room)).take(room) {
        let Some(row) = view.row(node.number) else {
            continue;
        };
        let command = if row.command.is_empty() {
            &row.program
        } else {
            &row.command
        };
        let pid = row.pid.map_or(String::new(), |pid| format!("{pid} "));
        let text = format!(
            "{} {}{pid}{command}  ({}, {})",
            fit(row.clock(), 8),
            node.branch,
            row.place,
            row.user
        );
        lines.push(Line::styled(
            fit(&text, width),
            style(view, row, node.number),
        ));
    }
    lines
}

/// Columns of each figure of `--top`.
const FIGURE: usize = 9;

fn top(view: &View, width: usize, room: usize) -> Vec<Line<'static>> {
    let lost = view.losses.text();
    let is_known = lost.is_some();
    let lost = lost.unwrap_or_else(|| "not known from lines of JSON".to_owned());
    let mut lines = vec![title(&format!("LOST: {lost}"), width)];
    // One row of the room is the title, which every screen has.
    let each = (room / TABLES.len()).saturating_sub(1).max(1);
    let name_width = width.saturating_sub(4 * (FIGURE + 1));
    let line = |name: &str, figures: [String; 4]| {
        let figures = figures.map(|figure| format!(" {figure:>FIGURE$}")).concat();
        fit(&format!("{}{figures}", fit(name, name_width)), width)
    };
    let text = |figure: u64| figure.to_string();
    for (table, name) in TABLES.into_iter().enumerate() {
        let lost = if table == 0 { "LOST" } else { "" };
        let titles = ["EVENTS/S", "EVENTS", "NEW", lost].map(str::to_owned);
        lines.push(title(&line(name, titles), width));
        let names = view.top.sorted(table);
        let shown = names.iter().take(each).map(|(name, figures)| {
            let lost = (table == 0 && is_known).then(|| figures.lost.to_string());
            let [rate, total, new] = [figures.rate, figures.total, figures.new].map(text);
            Line::raw(line(name, [rate, total, new, lost.unwrap_or_default()]))
        });
        lines.extend(shown);
        lines.resize(1 + (each + 1) * (table + 1), Line::default());
    }
    lines
}

fn details(row: &Row, from: usize, width: usize, room: usize) -> Vec<Line<'static>> {
    let names = row.fields.iter().map(|(name, _)| name.len()).max();
    let name_width = names.unwrap_or(0).min(28).min(width / 2);
    let value_width = width.saturating_sub(name_width + 1).max(1);
    let mut lines = vec![title("FIELD AND VALUE", width)];
    for (name, value) in row.fields.iter().skip(from) {
        let mut name = fit(name, name_width);
        // A long value goes on below itself.
        let mut rest = value.as_str();
        loop {
            let (here, further) = split(rest, value_width);
            let bold = Style::new().add_modifier(Modifier::BOLD);
            lines.push(Line::from(vec![
                Span::styled(name, bold),
                Span::raw(format!(" {here}")),
            ]));
            if further.is_empty() || lines.len() > room {
                break;
            }
            name = " ".repeat(name_width);
            rest = further;
        }
    }
    lines
}

/// The beginning of a text that fits into that many columns, and the rest.
fn split(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += super::text::width(c.encode_utf8(&mut [0; 4]));
        if used > columns && at > 0 {
            return text.split_at(at);
        }
    }
    (text, "")
}

fn help(view: &View, width: usize) -> Vec<Line<'static>> {
    let lines = HELP
        .iter()
        .map(|(keys, does)| Line::raw(fit(&format!("  {keys:<16} {does}"), width)));
    let keys = title("KEYS", width);
    let mut all: Vec<_> = std::iter::once(keys).chain(lines).collect();
    if !view.not_captured.is_empty() {
        all.push(title(
            "NOT CAPTURED, SINCE NO RULE OF THE SENSOR ASKS FOR IT",
            width,
        ));
        let kinds = view.not_captured.join(", ");
        let mut rest = kinds.as_str();
        while !rest.is_empty() {
            let (here, further) = split(rest, width.saturating_sub(2).max(1));
            all.push(Line::raw(fit(&format!("  {here}"), width)));
            rest = further;
        }
    }
    all
}

fn status(view: &View) -> String {
    if let Front::Search(text) = &view.front {
        return format!("/{text}");
    }
    let mut parts = vec![format!("{} events", view.count())];
    if let Some(waiting) = view.waiting() {
        parts.insert(0, format!("PAUSED, {waiting} newer"));
    } else if view.ended {
        parts.insert(0, "END".into());
    }
    if view.losses.unread > 0 {
        parts.push(format!("{} not read in time", view.losses.unread));
    }
    if view.left_out > 0 {
        parts.push(format!("{} left out", view.left_out));
    }
    if view.unreadable.0 > 0 {
        parts.push(format!(
            "{} no events ({})",
            view.unreadable.0, view.unreadable.1
        ));
    }
    parts.push(match view.not_captured.as_slice() {
        [] => view.what.clone(),
        kinds => format!("{} (without {})", view.what, kinds.join(", ")),
    });
    format!(" {} · ? help", parts.join(" · "))
}
