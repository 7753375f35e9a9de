//! The screens on the page of `sensor watch`, and screens with hostile texts.

use std::fs;

use ratatui::{Terminal, backend::TestBackend};

use metadata::ContainerId;

use super::{Fed, Row, Show, View, draw::draw, text::width};
use crate::sources::syscall::recording::{KindCounts, ThrottledFrame};

/// Lines of a small shop.
const LINES: &str = include_str!("lines.json");
/// The short id of the container in the pod `cart-0`.
const CART: &str = "0123456789ab";

fn screen(view: &mut View, columns: u16, rows: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(view, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(columns));
    let text = |row: &[ratatui::buffer::Cell]| {
        let (mut text, mut skip) = (String::new(), 0);
        for cell in row {
            // A wide character covers the cell after its own.
            if skip == 0 {
                text.push_str(cell.symbol());
            }
            skip = usize::max(skip, width(cell.symbol())).saturating_sub(1);
        }
        text
    };
    rows.map(text).collect()
}

fn view(show: Show) -> View {
    let mut view = View::new(show, "all of the running sensor".into(), true);
    let cart = format!("{CART}{}", "0".repeat(52));
    let cart = ContainerId::new(cart.as_bytes());
    let mut lose = |causes: &[(&str, u64)], events| {
        let causes = causes.iter();
        view.take(Fed::Counts(vec![KindCounts {
            causes: causes
                .map(|(name, lost)| ((*name).to_owned(), *lost))
                .collect(),
            ..KindCounts::default()
        }]));
        view.take(Fed::Throttled(vec![ThrottledFrame {
            container: cart,
            events,
        }]));
    };
    // What was lost before the view began does not count.
    lose(&[("throttled", 500)], 500);
    lose(&[("throttled", 620), ("ring_full", 3)], 620);
    for line in LINES.lines() {
        let mut line: serde_json::Map<_, _> = serde_json::from_str(line).unwrap();
        let fields = line["output_fields"].as_object_mut().unwrap();
        if fields
            .get("k8s.pod.name")
            .is_some_and(|pod| pod == "cart-0")
        {
            fields.insert("container.id".to_owned(), CART.into());
        }
        view.add(Row::of(&line));
    }
    view.take(Fed::Throttled(vec![ThrottledFrame {
        container: cart,
        events: 620,
    }]));
    view.second();
    view
}

#[test]
fn the_page_of_watch_has_the_screens() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/watch.md");
    let page = fs::read_to_string(path).unwrap();
    let mut new = page.clone();
    for (name, show) in [
        ("rows", Show::Rows),
        ("tree", Show::Tree),
        ("top", Show::Top),
    ] {
        let screen = screen(&mut view(show), 80, 14);
        let lines: Vec<_> = screen.iter().map(|line| line.trim_end()).collect();
        let begin = format!("<!-- screen {name} -->\n");
        let from = new.find(&begin).unwrap() + begin.len();
        let to = from + new[from..].find("<!-- end -->").unwrap();
        new.replace_range(from..to, &format!("```text\n{}\n```\n", lines.join("\n")));
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, &new).unwrap();
    } else {
        assert_eq!(page, new, "UPDATE=1 writes the page");
    }
}

#[test]
fn hostile_texts_break_no_row_at_any_size() {
    let hostile = "日本語\x1b[2J\r\n\u{202e}👩\u{200d}👩\u{fe0f}e\u{301}\t".repeat(50);
    for show in [Show::Rows, Show::Tree, Show::Top] {
        for (columns, rows) in [
            (1, 1),
            (1, 3),
            (10, 4),
            (79, 24),
            (80, 24),
            (81, 25),
            (300, 60),
        ] {
            let mut view = View::new(show, hostile.clone(), true);
            for _ in 0..100 {
                let fields = serde_json::json!({"rule": hostile, "output_fields": {
                    "proc.cmdline": hostile, "proc.name": hostile, "user.name": hostile,
                    "k8s.pod.name": hostile, "fd.name": hostile, "proc.exepath": hostile}});
                view.add(Row::of(fields.as_object().unwrap()));
            }
            for line in screen(&mut view, columns, rows) {
                assert_eq!(
                    width(&line),
                    usize::from(columns),
                    "{show:?} {columns}: {line}"
                );
                assert!(
                    !line.contains(['\x1b', '\r', '\u{202e}', '\u{200d}']),
                    "{line}"
                );
            }
        }
    }
}
