//! The table of checks and of their operands.

use aho_corasick::AhoCorasick;
use rustc_hash::FxHashMap;

use super::{Test, test::Pattern};
use crate::{Source, condition::Operator, fields::Operand};

/// Number of an operand.
pub(crate) type OperandId = u32;
/// Number of a check.
pub(crate) type CheckId = u32;

/// One comparison.
#[derive(Debug)]
pub(crate) struct Check {
    /// The operand.
    pub operand: OperandId,
    /// The test that its value must pass.
    pub operator: Operator,
    /// With what.
    pub test: Test,
    /// The check as text, cut if it is long.
    pub text: Box<str>,
}

/// An operand of checks, with the constants and patterns that checks need.
#[derive(Debug)]
pub(crate) struct OperandInfo<S: Source> {
    /// The field or transformer.
    pub operand: Operand<S>,
    /// A field in the operand that no event has.
    pub foreign: Option<Box<str>>,
    /// Constants with which checks compare the operand, each with its number.
    pub symbols: FxHashMap<Box<str>, u32>,
    /// Length of the longest constant in bytes.
    pub longest: usize,
    /// Patterns that checks search for in the operand.
    pub patterns: Vec<Pattern>,
    /// A search for all patterns at once, if there are many of them.
    pub search: Option<Search>,
}

/// A search for many texts at once.
#[derive(Debug)]
pub(crate) struct Search {
    /// Patterns whose case counts.
    pub exact: Option<(AhoCorasick, Box<[u32]>)>,
    /// Patterns whose case does not count.
    pub any_case: Option<(AhoCorasick, Box<[u32]>)>,
    /// Words of a bit set with a bit for each pattern.
    pub words: usize,
}

/// Number of patterns from which on a prepared search is faster than one search for each pattern.
/// (With one pattern already: an unprepared search takes longer to prepare itself than to search.)
const SEARCH_MIN: usize = 1;

/// All checks.
#[derive(Debug)]
pub(crate) struct Checks<S: Source> {
    /// The checks, by number.
    pub all: Vec<Check>,
    /// Their operands, by number.
    pub operands: Vec<OperandInfo<S>>,
    numbers: FxHashMap<Box<str>, CheckId>,
    operand_numbers: FxHashMap<Box<str>, OperandId>,
}

impl<S: Source> Default for Checks<S> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            operands: Vec::new(),
            numbers: FxHashMap::default(),
            operand_numbers: FxHashMap::default(),
        }
    }
}

impl<S: Source> Checks<S> {
    /// The check with that number.
    #[must_use]
    pub(crate) fn get(&self, check: CheckId) -> &Check {
        &self.all[check as usize]
    }

    /// The operand with that number.
    #[must_use]
    pub(crate) fn operand_of(&self, check: CheckId) -> &OperandInfo<S> {
        &self.operands[self.get(check).operand as usize]
    }

    /// The check with that text, if the table has it.
    #[must_use]
    pub(crate) fn find(&self, text: &str) -> Option<CheckId> {
        self.numbers.get(text).copied()
    }

    /// Adds a check and returns its number.
    pub(crate) fn add(&mut self, check: Check, text: Box<str>) -> CheckId {
        let number = CheckId::try_from(self.all.len()).unwrap_or(CheckId::MAX);
        self.all.push(check);
        self.numbers.insert(text, number);
        number
    }

    /// The number of an operand; adds the operand if it is new.
    pub(crate) fn operand(&mut self, operand: &Operand<S>) -> OperandId {
        let text = operand.to_string().into_boxed_str();
        if let Some(&number) = self.operand_numbers.get(&text) {
            return number;
        }
        let number = OperandId::try_from(self.operands.len()).unwrap_or(OperandId::MAX);
        let mut missing = None;
        operand.fields(&mut |field| {
            if field.field.classes.is_empty() && missing.is_none() {
                missing = Some(field.key.clone());
            }
        });
        self.operands.push(OperandInfo {
            operand: operand.clone(),
            foreign: missing,
            symbols: FxHashMap::default(),
            longest: 0,
            patterns: Vec::new(),
            search: None,
        });
        self.operand_numbers.insert(text, number);
        number
    }

    /// The number of a constant of an operand; adds the constant if it is new.
    pub(crate) fn symbol(&mut self, operand: OperandId, text: &str) -> u32 {
        let info = &mut self.operands[operand as usize];
        if let Some(&number) = info.symbols.get(text) {
            return number;
        }
        let number = u32::try_from(info.symbols.len()).unwrap_or(u32::MAX);
        info.longest = info.longest.max(text.len());
        info.symbols.insert(text.into(), number);
        number
    }

    /// The number of a pattern of an operand; adds the pattern if it is new.
    pub(crate) fn pattern(&mut self, operand: OperandId, text: &str, any_case: bool) -> u32 {
        let patterns = &mut self.operands[operand as usize].patterns;
        let known = patterns
            .iter()
            .position(|pattern| &*pattern.text == text && pattern.any_case == any_case);
        let number = known.unwrap_or_else(|| {
            patterns.push(Pattern {
                text: text.into(),
                any_case,
            });
            patterns.len() - 1
        });
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Prepares the searches, after the last check.
    pub(crate) fn finish(&mut self) {
        for info in &mut self.operands {
            if info.patterns.len() >= SEARCH_MIN {
                info.search = Search::new(&info.patterns);
            }
            info.patterns.shrink_to_fit();
        }
        self.numbers = FxHashMap::default();
        self.operand_numbers = FxHashMap::default();
    }
}

impl Search {
    fn new(patterns: &[Pattern]) -> Option<Self> {
        let build = |any_case: bool| {
            let (texts, numbers): (Vec<_>, Vec<_>) = patterns
                .iter()
                .zip(0_u32..)
                .filter(|(pattern, _)| pattern.any_case == any_case)
                .map(|(pattern, number)| (pattern.text.as_bytes(), number))
                .unzip();
            if texts.is_empty() {
                return Ok(None);
            }
            AhoCorasick::builder()
                .ascii_case_insensitive(any_case)
                .build(texts)
                .map(|search| Some((search, numbers.into_boxed_slice())))
        };
        // The library refuses so many patterns: the checks search for each one alone.
        Some(Self {
            exact: build(false).ok()?,
            any_case: build(true).ok()?,
            words: patterns.len().div_ceil(64),
        })
    }

    /// Sets the bit of each pattern that a text contains.
    pub(crate) fn run(&self, text: &str, bits: &mut [u64]) {
        for (search, numbers) in [&self.exact, &self.any_case].into_iter().flatten() {
            for found in search.find_overlapping_iter(text) {
                let number = numbers[found.pattern().as_usize()] as usize;
                bits[number / 64] |= 1 << (number % 64);
            }
        }
    }
}
