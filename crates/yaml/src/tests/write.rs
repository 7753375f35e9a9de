//! Trees → texts, in random styles.

use std::fmt::Write as _;

use super::{
    generate::{Tree, map},
    random::Random,
};

/// Writes one text.
pub(super) struct Writer<'r> {
    random: &'r mut Random,
    out: String,
    comments: bool,
    /// Whether rare forms are written.
    odd: bool,
    anchors: usize,
}

impl<'r> Writer<'r> {
    /// A text with one or more documents, each in styles of its own.
    pub(super) fn write(random: &'r mut Random) -> String {
        let mut writer = Self {
            comments: random.one_in(3),
            odd: random.one_in(3),
            random,
            out: String::new(),
            anchors: 0,
        };
        let documents = 1 + writer.random.below(8) / 6;
        for number in 0..documents {
            writer.document(number);
        }
        writer.out
    }

    fn document(&mut self, number: usize) {
        if self.odd && self.random.one_in(4) {
            let directives = [
                "%YAML 1.2\n",
                "%TAG !e! tag:e,2000:\n",
                "%X y\n",
                "%YAML 1.1 # c\n",
            ];
            self.any(&directives);
            self.out += "---\n";
        } else if number > 0 || self.random.one_in(3) {
            self.any(&["---\n", "---\n", "--- ", "---\t# c\n", "...\n---\n"]);
        }
        self.comment();
        let root = if self.random.one_in(2) {
            Tree::List(
                (0..=self.random.below(4))
                    .map(|_| map(self.random, 1))
                    .collect(),
            )
        } else {
            map(self.random, 0)
        };
        self.node(&root, 0, false);
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        if self.odd && self.random.one_in(6) {
            self.out += "...\n";
        }
    }

    fn comment(&mut self) {
        while self.comments && self.random.one_in(5) {
            let column = self.random.below(5);
            self.spaces(column);
            self.any(&["# c: [\n", "#\n", "\n", "#'\"\n", "\n"]);
        }
    }

    /// Writes one of the texts.
    fn any(&mut self, of: &[&str]) {
        let text = self.random.choose(of);
        self.out += text;
    }

    fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }

    /// White space that ends neither the line nor a value.
    fn blank(&mut self) {
        self.out += match self.random.below(12) {
            0 if self.odd => "\t",
            1 => "  ",
            2 if self.odd => " \t ",
            _ => " ",
        };
    }

    fn end_line(&mut self) {
        if self.comments && self.random.one_in(6) {
            self.any(&[" # c", "  #c: 'x", "\t# c"]);
        }
        self.any(&["\n", "\n", "\n", "\n", "\n", " \n", "\n\n"]);
    }

    fn properties(&mut self) {
        if !self.odd {
            return;
        }
        if self.random.one_in(12) {
            self.anchors += 1;
            write!(self.out, "&a{} ", self.anchors).unwrap();
        }
        if self.random.one_in(20) {
            self.any(&["!!str ", "! ", "!x ", "!e!x ", "!<tag:x> ", "!!int "]);
        }
    }

    /// Writes a node behind `:`, `-` or at the beginning; ends the line in block style.
    fn node(&mut self, tree: &Tree, indent: usize, in_line: bool) {
        if self.anchors > 0 && self.odd && self.random.one_in(8) {
            let number = 1 + self.random.below(self.anchors);
            write!(self.out, "*a{number}").unwrap();
            return self.end_line();
        }
        if in_line {
            self.properties();
        }
        let block = match tree {
            Tree::Scalar(_) => false,
            Tree::List(items) => !items.is_empty() && !self.random.one_in(3),
            Tree::Map(entries) => !entries.is_empty() && !self.random.one_in(5),
        };
        if !block {
            if let Tree::Scalar(text) = tree
                && self.random.one_in(4)
            {
                return self.block_scalar(text, indent);
            }
            self.flow(tree, indent, 0);
            return self.end_line();
        }
        if in_line {
            self.end_line();
        }
        self.comment();
        match tree {
            Tree::List(items) => {
                for item in items {
                    self.spaces(indent);
                    self.item(item, indent);
                }
            }
            Tree::Map(entries) => self.entries(entries, indent, false),
            Tree::Scalar(_) => {}
        }
    }

    fn item(&mut self, item: &Tree, indent: usize) {
        self.out.push('-');
        let from = self.out.len();
        self.blank();
        let width = self.out.len() - from;
        let inner = indent + 1 + width;
        match item {
            Tree::Map(entries) if !entries.is_empty() && !self.random.one_in(5) => {
                self.entries(entries, inner, true);
            }
            Tree::List(items) if !items.is_empty() && self.random.one_in(3) => {
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        self.spaces(inner);
                    }
                    self.item(item, inner);
                }
            }
            item => self.node(item, inner, true),
        }
    }

    fn entries(&mut self, entries: &[(Tree, Tree)], indent: usize, in_line: bool) {
        for (number, (key, value)) in entries.iter().enumerate() {
            if number > 0 || !in_line {
                self.comment();
                self.spaces(indent);
            }
            if self.odd && self.random.one_in(15) {
                self.out += "?";
                self.blank();
                self.node(key, indent + 2, true);
                self.spaces(indent);
            } else {
                self.properties();
                self.flow(key, indent, 9);
                if self.odd && self.random.one_in(6) {
                    self.blank();
                }
            }
            self.out.push(':');
            if matches!(value, Tree::Scalar("")) && self.random.one_in(2) {
                self.end_line();
                continue;
            }
            self.blank();
            let deeper = match value {
                Tree::List(_) => self.random.choose(&[0, 0, 2, 2, 4, 1]),
                _ => self.random.choose(&[2, 2, 2, 4, 1, 3]),
            };
            self.node(value, indent + deeper, true);
        }
    }

    /// White space between two tokens in brackets, with line breaks to any column.
    fn gap(&mut self, lines: bool) {
        match self.random.below(if lines { 7 } else { 3 }) {
            0 => {}
            1 | 2 => self.blank(),
            3 if self.comments => {
                self.any(&[" # c", "#c", " #]"]);
                self.break_line();
            }
            4 | 5 => self.break_line(),
            _ => self.out.push(' '),
        }
    }

    fn break_line(&mut self) {
        self.any(&["\n", "\n", "\n", "\n\n", " \n"]);
        let column = self.random.choose(&[0, 0, 1, 2, 4, 6, 8]);
        self.spaces(column);
    }

    /// Writes a node in brackets or on one line; `depth` 9 is a key.
    fn flow(&mut self, tree: &Tree, indent: usize, depth: usize) {
        let lines = depth < 9 && !self.random.one_in(3);
        match tree {
            Tree::Scalar(text) => self.scalar(text, indent, lines),
            Tree::List(items) => {
                self.out.push('[');
                self.gap(lines);
                for (number, item) in items.iter().enumerate() {
                    self.properties();
                    self.flow(item, indent, depth + 1);
                    self.gap(lines);
                    if number + 1 < items.len() || self.random.one_in(5) {
                        self.out.push(',');
                        self.gap(lines);
                    }
                }
                self.out.push(']');
            }
            Tree::Map(entries) => {
                self.out.push('{');
                self.gap(lines);
                for (number, (key, value)) in entries.iter().enumerate() {
                    self.flow(key, indent, 9);
                    if !(self.odd && self.random.one_in(8)) {
                        self.any(&[": ", ": ", ":", " : ", ":\n "]);
                        self.flow(value, indent, depth + 1);
                    }
                    self.gap(lines);
                    if number + 1 < entries.len() || self.random.one_in(5) {
                        self.out.push(',');
                        self.gap(lines);
                    }
                }
                self.out.push('}');
            }
        }
    }

    fn scalar(&mut self, text: &str, indent: usize, lines: bool) {
        let is_word = |c: char| c.is_alphanumeric() || " /._".contains(c);
        let is_plain = text.chars().all(is_word) || self.random.one_in(8);
        let quote = match self.random.below(3) {
            0 if is_plain => return self.words(text, indent, lines, &|c| c.to_string()),
            0 | 1 => '\'',
            _ => '"',
        };
        self.out.push(quote);
        let odd = self.odd;
        let number = self.random.below(6);
        self.words(text, indent, lines, &|c| match c {
            '\'' if quote == '\'' => "''".into(),
            '"' | '\\' if quote == '"' => format!("\\{c}"),
            '\n' if quote == '"' => "\\n".into(),
            '\t' if quote == '"' && odd => "\\t".into(),
            c if quote == '"' && odd && number == 0 => format!("\\u{:04x}", u32::from(c)),
            c if quote == '"' && odd && number == 1 && c == ' ' => "\\ ".into(),
            c => c.to_string(),
        });
        self.out.push(quote);
    }

    /// Writes a text, with some of its blanks as line breaks.
    fn words(&mut self, text: &str, indent: usize, lines: bool, write: &dyn Fn(char) -> String) {
        for c in text.chars() {
            if lines && (c == ' ' && self.random.one_in(3) || c == '\n') {
                if self.odd && self.random.one_in(8) {
                    self.out.push('\\');
                }
                self.any(&["\n", "\n", "\n", " \n", "\n\n", "\n \n\n"]);
                let more = self.random.choose(&[0, 0, 1, 2, 2, 4]);
                self.spaces(indent + more);
            } else {
                self.out += &write(c);
            }
        }
    }

    fn block_scalar(&mut self, text: &str, indent: usize) {
        self.any(&["|", ">"]);
        let inner = 1 + self.random.below(4);
        if self.random.one_in(8) {
            self.out += &inner.to_string();
        }
        self.any(&["", "", "-", "+"]);
        self.any(&["\n", "\n", "\n", " \n", " # c\n", "\n\n", "\n   \n"]);
        for line in text.split('\n') {
            let more = if self.random.one_in(8) {
                self.random.below(3)
            } else {
                0
            };
            self.spaces(indent + inner + more);
            self.out += line;
            self.any(&["\n", "\n", "\n", "\n", " \n", "\n\n", "\n  \n"]);
        }
    }
}
