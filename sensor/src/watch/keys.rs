//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Show, View, view::Front};

/// What the help shows: keys, and what they do.
pub(super) const HELP: [(&str, &str); 12] = [
    ("Up, Down, k, j", "one row up or down"),
    ("PgUp, PgDn", "one page up or down"),
    (
        "Home, End",
        "the oldest row that is kept; the newest, and follow",
    ),
    ("space", "pause, and go on"),
    ("Enter", "every field of the row"),
    (
        "/",
        "look for a text in all fields; Enter looks, Esc leaves",
    ),
    ("n", "the next row further up with that text"),
    ("t", "tree of the execs, and back"),
    ("T", "figures by pod, program and destination, and back"),
    ("Esc", "back to the rows"),
    ("?", "this help"),
    ("q, Ctrl-C", "end"),
];

/// Does what a key asks for. Returns false if somebody wants to end.
pub(super) fn press(view: &mut View, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if is_control && key.code == KeyCode::Char('c') {
        return false;
    }
    match std::mem::take(&mut view.front) {
        Front::Search(text) => search(view, text, key.code),
        Front::Details(row, from) => details(view, (row, from), key.code),
        Front::Help if key.code == KeyCode::Char('q') => return false,
        Front::Help => {}
        Front::Nothing => return rows(view, key.code),
    }
    true
}

fn search(view: &mut View, mut text: String, key: KeyCode) {
    match key {
        KeyCode::Esc => return,
        KeyCode::Enter => {
            view.wanted = text.to_lowercase();
            view.find();
            return;
        }
        KeyCode::Backspace => {
            text.pop();
        }
        KeyCode::Char(c) if !c.is_control() => text.push(c),
        _ => {}
    }
    view.front = Front::Search(text);
}

fn details(view: &mut View, (row, from): (Box<super::Row>, usize), key: KeyCode) {
    let last = row.fields.len().saturating_sub(1);
    let from = match key {
        KeyCode::Enter | KeyCode::Esc | KeyCode::Char('q') => return,
        KeyCode::Up | KeyCode::Char('k') => from.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => from + 1,
        KeyCode::PageUp => from.saturating_sub(view.page),
        KeyCode::PageDown => from + view.page,
        KeyCode::Home => 0,
        KeyCode::End => last,
        _ => from,
    };
    view.front = Front::Details(row, from.min(last));
}

fn rows(view: &mut View, key: KeyCode) -> bool {
    let page = i64::try_from(view.page).unwrap_or(i64::MAX);
    let other = |view: &View, show| if view.show == show { Show::Rows } else { show };
    match key {
        KeyCode::Char('q') => return false,
        KeyCode::Up | KeyCode::Char('k') => view.go(-1),
        KeyCode::Down | KeyCode::Char('j') => view.go(1),
        KeyCode::PageUp => view.go(-page),
        KeyCode::PageDown => view.go(page),
        KeyCode::Home => view.go(i64::MIN),
        KeyCode::End => view.go(i64::MAX),
        KeyCode::Char(' ') => view.pause(),
        KeyCode::Char('/') => view.front = Front::Search(String::new()),
        KeyCode::Char('n') => view.find(),
        KeyCode::Char('t') => view.show = other(view, Show::Tree),
        KeyCode::Char('T') => view.show = other(view, Show::Top),
        KeyCode::Char('?') => view.front = Front::Help,
        KeyCode::Esc => view.show = Show::Rows,
        KeyCode::Enter => {
            if let Some(row) = view.row(view.at()) {
                view.front = Front::Details(Box::new(row.clone()), 0);
            }
        }
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(view: &mut View, keys: &str) -> bool {
        let mut keys = keys.chars().map(|key| match key {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            key => KeyCode::Char(key),
        });
        keys.all(|key| press(view, KeyEvent::from(key)))
    }

    #[test]
    fn q_and_ctrl_c_end_and_q_in_a_search_is_a_letter() {
        let mut view = View::new(Show::Rows, String::new(), false);
        assert!(keys(&mut view, "/q?T\n"));
        assert_eq!(view.wanted, "q?t");
        assert!(!keys(&mut view, "q"));
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(!press(&mut view, interrupt));
    }

    #[test]
    fn t_and_shift_t_show_the_tree_and_the_figures_and_the_rows_again() {
        let mut view = View::new(Show::Rows, String::new(), false);
        for (key, show) in [
            ("t", Show::Tree),
            ("t", Show::Rows),
            ("T", Show::Top),
            ("\x1b", Show::Rows),
        ] {
            keys(&mut view, key);
            assert_eq!(view.show, show);
        }
    }

    #[test]
    fn enter_shows_the_fields_of_the_row_and_leaves_them_again() {
        let mut view = View::new(Show::Rows, String::new(), false);
        keys(&mut view, "\n");
        assert_eq!(view.front, Front::Nothing);
        view.add(super::super::Row::default());
        keys(&mut view, "\nj");
        assert!(matches!(view.front, Front::Details(_, 0)));
        keys(&mut view, "q");
        assert_eq!(view.front, Front::Nothing);
    }
}
