//! Random documents in the shapes of rule files and configurations.

use super::{random::Random, write::Writer};

const WORDS: &[&str] = &[
    "spawned_process and proc.name in (sh, bash)",
    "evt.type = execve",
    "%proc.name [%k8s.ns.name]",
    "/etc/shadow",
    "WARNING",
    "true",
    "yes",
    "Off",
    "~",
    "null",
    "Null",
    "nULL",
    "5",
    "\"5\"",
    "0x1F",
    "1.50",
    "a: b",
    "a :b",
    "a #b",
    "a# b",
    "#",
    "*",
    "&x",
    "- x",
    "-",
    "-x",
    "'",
    "it's",
    "\"",
    "é ü",
    "日本",
    "[",
    "]",
    "{}",
    "?x",
    "? x",
    "key:",
    "::",
    ":",
    ":x",
    "@",
    "`x`",
    "%",
    "100%",
    "|",
    ">",
    "!",
    "!x",
    "",
    " lead",
    "trail ",
    "two\nlines",
    "a\n\nb",
    "a\n  b\nc\n",
    "\n",
    "tab\there",
    "<<",
    "a,b",
    ", ",
    "\\",
    "a\\b",
    "c:\\x",
    "http://x:80/",
    "--- x",
    "...",
    "%TAG",
    "=",
    "<NA>",
    "a b c d e f g",
    "not a and\nnot b or\n(c)",
    "x:\ty",
    "2001-01-01",
    "*x",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{7f}",
];

const KEYS: &[&str] = &[
    "rule",
    "desc",
    "condition",
    "output",
    "priority",
    "tags",
    "items",
    "list",
    "macro",
    "enabled",
    "exceptions",
    "name",
    "fields",
    "comps",
    "values",
    "override",
    "append",
    "rules_files",
    "<<",
    "file_output",
    "a b",
    "é",
    "5",
    "null",
    "http://x",
    "a#b",
    "-a",
    "?a",
    "a:b",
    "",
];

#[derive(Clone, Debug)]
pub(super) enum Tree {
    Scalar(&'static str),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

/// A text; how it was made says how often it is valid.
pub(super) fn text(random: &mut Random) -> String {
    let text = Writer::write(random);
    match random.below(12) {
        0 | 1 => text.replace('\n', "\r\n"),
        2 if random.one_in(4) => text.replace('\n', "\r"),
        3 => text.trim_end().to_owned(),
        _ => text,
    }
}

/// A text in which a few characters or lines were changed.
pub(super) fn mutation(random: &mut Random, text: &str) -> String {
    const SIGNS: &[char] = &[
        ' ', ' ', '\t', '\n', '\n', '\r', ':', ':', '-', '?', ',', '[', ']', '{', '}', '#', '&',
        '*', '!', '|', '>', '\'', '"', '%', '@', '`', '.', '\\', 'x', '~', '0', '\u{feff}', 'é',
        '+', '<',
    ];
    let mut signs: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(signs.len() + 1);
        match random.below(9) {
            0 | 1 if at < signs.len() => drop(signs.remove(at)),
            2 if at + 1 < signs.len() => signs.swap(at, at + 1),
            3 if at < signs.len() => signs[at] = random.choose(SIGNS),
            4 => signs.truncate(at),
            5 | 6 => {
                // Another indentation of the line.
                let from = signs[..at]
                    .iter()
                    .rposition(|c| *c == '\n')
                    .map_or(0, |at| at + 1);
                let spaces = signs[from..].iter().take_while(|c| **c == ' ').count();
                let wanted = random.below(6);
                signs.splice(from..from + spaces, std::iter::repeat_n(' ', wanted));
            }
            _ => signs.insert(at, random.choose(SIGNS)),
        }
    }
    signs.into_iter().collect()
}

/// A text in one of the encodings that yaml-cpp knows.
pub(super) fn encode(random: &mut Random, text: &str) -> Vec<u8> {
    let marked = format!("\u{feff}{text}");
    match random.below(40) {
        0 => marked.into_bytes(),
        1 => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        2 => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        3 => marked
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect(),
        4 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        _ => text.as_bytes().to_vec(),
    }
}

pub(super) fn tree(random: &mut Random, depth: usize) -> Tree {
    match random.below(if depth > 3 { 1 } else { 4 }) {
        0 | 1 => Tree::Scalar(random.choose(WORDS)),
        2 => Tree::List(
            (0..random.below(5))
                .map(|_| tree(random, depth + 1))
                .collect(),
        ),
        _ => map(random, depth),
    }
}

pub(super) fn map(random: &mut Random, depth: usize) -> Tree {
    let entry = |random: &mut Random| {
        let key = if random.one_in(40) {
            tree(random, depth + 2)
        } else {
            Tree::Scalar(random.choose(KEYS))
        };
        (key, tree(random, depth + 1))
    };
    Tree::Map((0..random.below(6)).map(|_| entry(random)).collect())
}
