//! Random patterns and texts, from a seed that a failed test prints.

use std::{
    collections::hash_map::RandomState,
    env,
    hash::{BuildHasher as _, Hasher as _},
};

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Random numbers, as `SplitMix64` makes them.
pub(super) struct Random {
    pub(super) seed: u64,
    state: u64,
}

impl Random {
    /// A fresh seed, or the one in `SEED`.
    pub(super) fn new() -> Self {
        let seed = match env::var("SEED") {
            Ok(seed) => seed.parse().expect("SEED is a number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        Self { seed, state: seed }
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % limit.max(1)
    }

    /// Whether something happens that happens once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// Some of the pieces, joined.
    pub(super) fn words(&mut self, most: usize, of: &[&str]) -> String {
        (0..self.below(most + 1)).map(|_| self.pick(of)).collect()
    }

    /// A text with a character removed, doubled, added or replaced.
    pub(super) fn changed(&mut self, text: &str, by: &[&str]) -> String {
        let mut parts: Vec<String> = text.chars().map(String::from).collect();
        let at = self.below(parts.len() + 1);
        let piece = self.pick(by).to_owned();
        match self.below(4) {
            0 if at < parts.len() => drop(parts.remove(at)),
            1 if at < parts.len() => parts[at] = piece,
            2 if at < parts.len() => parts.insert(at, parts[at].clone()),
            _ => parts.insert(at, piece),
        }
        parts.concat()
    }

    /// A text that a syntax tree matches, in nearly all cases.
    pub(super) fn sample(&mut self, tree: &Hir, out: &mut Vec<u8>) {
        match tree.kind() {
            HirKind::Look(Look::StartLF | Look::EndLF) if self.once_in(4) => out.push(b'\n'),
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
            HirKind::Class(Class::Unicode(class)) => {
                let Some(range) = class.ranges().get(self.below(class.ranges().len())) else {
                    return;
                };
                let (low, high) = (u32::from(range.start()), u32::from(range.end()));
                let near = self.below((high - low).min(60) as usize + 1);
                let c = char::from_u32(low + u32::try_from(near).unwrap());
                out.extend_from_slice(c.unwrap_or(range.end()).to_string().as_bytes());
            }
            HirKind::Class(Class::Bytes(class)) => {
                let Some(range) = class.ranges().get(self.below(class.ranges().len())) else {
                    return;
                };
                let len = usize::from(range.end() - range.start()) + 1;
                let near = u8::try_from(self.below(len.min(100))).unwrap();
                out.push(range.start() + near);
            }
            HirKind::Repetition(repetition) => {
                let min = repetition.min;
                let max = repetition.max.unwrap_or(min + 3).min(min + 3);
                let times = min as usize + self.below((max - min) as usize + 1);
                for _ in 0..times {
                    self.sample(&repetition.sub, out);
                }
            }
            HirKind::Capture(capture) => self.sample(&capture.sub, out),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.sample(part, out)),
            HirKind::Alternation(parts) => {
                let part = self.below(parts.len());
                self.sample(&parts[part], out);
            }
        }
    }

    /// Texts for a pattern: some that match, some that nearly match, some that have nothing to do
    /// with it.
    pub(super) fn texts(&mut self, tree: Option<&Hir>, count: usize, of: &[&str]) -> Vec<String> {
        let one = |this: &mut Self| {
            let mut bytes = Vec::new();
            match tree {
                Some(tree) if !this.once_in(6) => this.sample(tree, &mut bytes),
                _ => return this.words(8, of),
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if this.once_in(2) {
                this.changed(&text, of)
            } else {
                text
            }
        };
        (0..count).map(|_| one(self)).collect()
    }
}
