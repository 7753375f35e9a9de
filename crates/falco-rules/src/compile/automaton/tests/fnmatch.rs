//! The operators `glob` and `iglob` against the C library's `fnmatch`, which is glibc's here. Rust
//! programs stay in the C locale, as Falco does.
#![cfg(target_env = "gnu")]

use std::{ffi::CString, fmt::Write as _};

use super::{
    super::{Automaton, Case, PatternError, glob},
    random::Random,
};

const PIECES: &[&str] = &[
    "a", "b", "z", "A", "Z", "0", "9", "/", ".", "-", "*", "?", "[", "]", "!", "^", "\\", ":", "=",
    "(", ")", "|", "@", "+", "é", " ", "\n", "\u{fffd}",
];
const NAMES: &[&str] = &[
    "alpha", "alnum", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "xdigit", "", "word", "zz", "foo", "Z",
];
const BRACKET_PARTS: &[&str] = &[
    "a", "z", "A", "-", "a-z", "Z-a", "0-9", "!-/", "--9", "[:", "[:a", ":]", "[=a=]", "[=A=]",
    "[=", "[.a.]", "[.-.]", "[.ab.]", "[.", r"\]", r"\-", r"\a", r"a-\z", "[.a.]-z", "a-[.z.]",
    "]", "^", "!", "é", "à-ü", "/", ".",
];

/// What the C library says.
fn fnmatch(pattern: &str, text: &str, case: Case) -> bool {
    let flags = match case {
        Case::Exact => 0,
        // `FNM_CASEFOLD`, which the crate does not have for glibc.
        Case::Any => 1 << 4,
    };
    let [pattern, text] = [pattern, text].map(|text| CString::new(text).unwrap());
    // SAFETY: both are texts that end with a NUL byte.
    unsafe { libc::fnmatch(pattern.as_ptr(), text.as_ptr(), flags) == 0 }
}

/// A random glob.
fn pattern(random: &mut Random) -> String {
    let mut out = String::new();
    for _ in 0..=random.below(5) {
        match random.below(10) {
            0..=3 => out += random.pick(&PIECES[..10]),
            4 | 5 => out += "*",
            6 => out += "?",
            7 => out += random.pick(PIECES),
            _ => {
                out += random.pick(&["[", "[", "[!", "[^"]);
                out += &random.words(2, BRACKET_PARTS);
                if random.once_in(3) {
                    write!(out, "[:{}:]", random.pick(NAMES)).unwrap();
                }
                out += &random.words(2, BRACKET_PARTS);
                out += random.pick(&["a]", "]", "z]", ""]);
            }
        }
    }
    while random.once_in(3) {
        out = random.changed(&out, PIECES);
    }
    out
}

#[test]
fn random_globs_match_what_fnmatch_matches() {
    let mut random = Random::new();
    let mut differences = Vec::new();
    let (mut pairs, mut refused) = ([0, 0], 0);
    for _ in 0..2_500 {
        let text = pattern(&mut random);
        let case = [Case::Exact, Case::Any][random.below(2)];
        let automaton = match Automaton::glob(&text, case) {
            Ok(automaton) => automaton,
            Err(PatternError::Glob(_)) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{text:?}: {error}"),
        };
        let tree = glob::parse(&text, case).ok();
        for sample in random.texts(tree.as_ref(), 8, PIECES) {
            if sample.contains('\0') {
                continue;
            }
            let expected = fnmatch(&text, &sample, case);
            pairs[usize::from(expected)] += 1;
            if automaton.matches(&sample) != expected {
                differences.push(format!("{text:?} {case:?} on {sample:?}: {expected}"));
            }
        }
    }
    let [others, matching] = pairs;
    eprintln!("{matching} pairs match, {others} do not, {refused} patterns are refused");
    assert!(
        differences.is_empty(),
        "SEED={}: {} differences:\n{}",
        random.seed,
        differences.len(),
        differences.join("\n")
    );
    assert!(matching > 3_000 && others > 3_000 && matching + others > 10_000);
    assert!(refused < 100);
}
