//! The operator `regex` against RE2 itself.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    super::{Automaton, posix},
    random::Random,
};

/// RE2, in a program of its own.
struct Oracle(TempDir);

impl Oracle {
    /// Builds the program. Without a compiler of C++ and RE2's headers there is none, which is an
    /// error only where `CI` says that everything must be there.
    fn build() -> Option<Self> {
        let oracle = Self(tempfile::tempdir().unwrap());
        let source = oracle.0.path().join("re2.cc");
        fs::write(&source, include_str!("re2.cc")).unwrap();
        let built = Command::new("c++")
            .args(["-std=c++17", "-O1", "-o"])
            .args([&oracle.program(), &source])
            .arg("-lre2")
            .output();
        match built {
            Ok(built) if built.status.success() => return Some(oracle),
            _ if env::var("CI").is_ok_and(|ci| ci == "true") => panic!("no RE2: {built:?}"),
            _ => eprintln!("skipped: no RE2 here (Debian's g++ and libre2-dev)"),
        }
        None
    }

    fn program(&self) -> std::path::PathBuf {
        self.0.path().join("re2")
    }

    /// For each pattern, whether it matches each of its texts; nothing if RE2 refuses it.
    fn ask(&self, cases: &[(String, Vec<String>)]) -> Vec<Option<Vec<bool>>> {
        let mut input = String::new();
        for (pattern, texts) in cases {
            for text in [pattern].into_iter().chain(texts) {
                input.push('x');
                for byte in text.bytes() {
                    write!(input, "{byte:02x}").unwrap();
                }
                input.push(' ');
            }
            input.push('\n');
        }
        let path = self.0.path().join("input");
        fs::write(&path, input).unwrap();
        let answer = Command::new(self.program())
            .stdin(File::open(path).unwrap())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(answer.status.success());
        let answer = String::from_utf8(answer.stdout).unwrap();
        let answers: Vec<_> = answer
            .lines()
            .map(|line| (line != "E").then(|| line.bytes().map(|byte| byte == b'1').collect()))
            .collect();
        assert_eq!(answers.len(), cases.len());
        answers
    }

    /// Compares the answers to all cases; returns how many pairs of a pattern and a text RE2
    /// matched, and how many it did not.
    fn compare(&self, cases: &[(String, Vec<String>)], seed: u64) -> [usize; 2] {
        let mut differences = Vec::new();
        let mut pairs = [0, 0];
        for ((pattern, texts), expected) in cases.iter().zip(self.ask(cases)) {
            match (Automaton::regex(pattern), expected) {
                (Ok(automaton), Some(expected)) => {
                    for (text, expected) in texts.iter().zip(expected) {
                        pairs[usize::from(expected)] += 1;
                        if automaton.matches(text) != expected {
                            differences.push(format!("{pattern:?} on {text:?}: RE2 {expected}"));
                        }
                    }
                }
                (Ok(_), None) => differences.push(format!("{pattern:?}: RE2 refuses it")),
                (Err(error), Some(_)) => differences.push(format!("{pattern:?}: {error}")),
                (Err(_), None) => {}
            }
        }
        assert!(
            differences.is_empty(),
            "SEED={seed}: {} differences:\n{}",
            differences.len(),
            differences.join("\n")
        );
        pairs
    }
}

const CHARACTERS: &[&str] = &[
    "a", "b", "c", "A", "0", "9", "-", "/", "~", "&", "|", " ", "_", ":", ",", "\n", "é",
    "\u{fffd}", "<", ">", "=", "!", "^", "]", "}", "\\", "[", "{", ".", "(", ")", "*", "\t", "🦀",
    "\u{85}",
];
const ESCAPES: &[&str] = &[
    r"\.", r"\-", r"\[", r"\]", r"\\", r"\/", r"\<", r"\_", r"\ ", r"\n", r"\t", r"\x41",
    r"\x{e9}", r"\x{fd}", r"\101", r"\07", r"\0", r"\377",
];
/// What RE2 refuses in POSIX syntax, for the most part.
const REFUSED: &[&str] = &[
    r"\d", r"\W", r"\b", r"\C", r"\A", r"\z", r"\Z", r"\pN", r"\p{L}", r"\Q", r"\1", r"\8", r"\é",
    r"\x4", r"\x{}", "(?i)", "(?:a)", "(?P<n>a)", "{1001}", "{2,1}", "[b-a]", "[[:o:]]", "(", ")",
    "[", r"\", "*", "+", "?", "{3}", "[a-b-c]",
];
const NAMES: &[&str] = &[
    "alpha", "alnum", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit", "^alpha", "^space", "^word",
];
const CLASS_PARTS: &[&str] = &[
    "a",
    "b",
    "-",
    "a-c",
    "0-9",
    "--/",
    "&&",
    "~~",
    "[",
    ":",
    r"\]",
    r"\-",
    r"\\",
    r"\n",
    "é",
    "à-ü",
    "^",
    "|",
    ".",
    "$",
    "*",
    "[.",
    "[=a=]",
    "\n",
    r"\x41-D",
    r"\x{d7f0}",
];
const OPERATORS: &[&str] = &[
    "*", "+", "?", "{2}", "{0,2}", "{1,}", "{0}", "{,2}", "{01}", "{", "{1", "{1,2", "**", "+?",
    "{2}{2}",
];

/// A random regular expression.
fn pattern(random: &mut Random, depth: usize) -> String {
    let mut out = String::new();
    for _ in 0..=random.below(4) {
        match random.below(if depth == 0 { 9 } else { 12 }) {
            0..=3 => out += random.pick(&CHARACTERS[..18]),
            4 => out += random.pick(ESCAPES),
            5 => out += random.pick(&[".", ".*", "^", "$"]),
            6 | 7 => {
                let negated = random.pick(&["", "", "^"]);
                let first = random.pick(&["", "", "]", "-"]);
                let mut parts = random.words(3, CLASS_PARTS);
                if random.once_in(3) {
                    write!(parts, "[:{}:]", random.pick(NAMES)).unwrap();
                }
                let last = random.pick(&["a", "a", "-"]);
                write!(out, "[{negated}{first}{parts}{last}]").unwrap();
            }
            8 if random.once_in(8) => out += random.pick(REFUSED),
            8 => out += "|",
            _ => write!(out, "({})", pattern(random, depth - 1)).unwrap(),
        }
        if random.once_in(3) {
            out += random.pick(OPERATORS);
        }
    }
    out
}

#[test]
fn random_patterns_match_what_re2_matches() {
    let Some(oracle) = Oracle::build() else {
        return;
    };
    let mut random = Random::new();
    let mut cases = Vec::new();
    for _ in 0..2_500 {
        let mut text = pattern(&mut random, 3);
        while random.once_in(3) {
            text = random.changed(&text, CHARACTERS);
        }
        let tree = posix::parse(&text).ok();
        let texts = random.texts(tree.as_ref(), 8, CHARACTERS);
        cases.push((text, texts));
    }
    let [others, matching] = oracle.compare(&cases, random.seed);
    eprintln!("{matching} pairs match, {others} do not");
    assert!(matching > 4_000 && others > 4_000 && matching + others > 10_000);
}

#[test]
fn every_short_pattern_of_signs_is_accepted_if_re2_accepts_it() {
    let Some(oracle) = Oracle::build() else {
        return;
    };
    let signs = [
        "a", "(", ")", "[", "]", "{", "}", "1", ",", "*", "?", "|", "^", "$", ".", "\\", "-", ":",
    ];
    let texts: Vec<_> = ["", "a", "aa", "1", "a1", "-", "\n", "{1}", "[", "a{,1"]
        .map(str::to_owned)
        .into();
    let mut cases = vec![(String::new(), texts.clone())];
    let mut longest = vec![String::new()];
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|start| signs.map(|sign| format!("{start}{sign}")))
            .collect();
        cases.extend(longest.iter().map(|text| (text.clone(), texts.clone())));
    }
    oracle.compare(&cases, 0);
}
