//! Patterns against the libraries that Falco uses for them: RE2 and the C library.

mod fnmatch;
mod random;
mod re2;

use super::{Automaton, Case, PatternError};

fn regex(pattern: &str, text: &str) -> bool {
    Automaton::regex(pattern).unwrap().matches(text)
}

fn reason(pattern: &str) -> String {
    match Automaton::regex(pattern) {
        Ok(_) => format!("{pattern} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn classes_have_no_set_operations() {
    for (pattern, matching, other) in [
        (r"[;&&\|]", &[";", "&", "|"][..], "\\"),
        ("[--/]", &["-", ".", "/"], ","),
        ("[a~~b]", &["a", "~", "b"], "c"),
        ("[[]", &["["], "]"),
        ("[]a]", &["]", "a"], "["),
        ("[^]a]", &["b", "\n", "é"], "a"),
        ("[[:alpha:]-]", &["x", "-"], ":"),
        ("[[:^alpha:]]", &["1", "é"], "x"),
        ("[[:x]", &["[", ":", "x"], "]"),
        (r"[\x{d7ff}-\x{e000}]", &["\u{d7ff}", "\u{e000}"], "a"),
    ] {
        for text in matching {
            assert!(regex(pattern, text), "{pattern} on {text}");
        }
        assert!(!regex(pattern, other), "{pattern} on {other}");
    }
}

#[test]
fn braces_that_are_no_bounds_and_escaped_signs_stand_for_themselves() {
    for (pattern, text) in [
        (".*{.*", "a{b"),
        ("a{,2}", "a{,2}"),
        ("a{01}", "a{01}"),
        ("a{1", "a{1"),
        (r"\<x\>", "<x>"),
        (r"\101\x42\x{43}\0107", "ABC\u{8}7"),
        (r"\a\f\n\r\t\v", "\x07\x0c\n\r\t\x0b"),
        ("a**", "aaa"),
        ("(|a)+b|", "aab"),
        ("(|a)+b|", ""),
        ("a{2}{3}", "aaaaaa"),
    ] {
        assert!(regex(pattern, text), "{pattern} on {text}");
    }
}

#[test]
fn anchors_also_match_at_newlines_and_dots_do_not() {
    assert!(regex("a$\n^b", "a\nb") && regex("^a$", "a"));
    assert!(!regex("a^b", "ab") && !regex("a.b", "a\nb"));
    assert!(regex("a[^x]b", "a\nb"));
}

#[test]
fn what_posix_syntax_has_not_is_refused_with_place_and_reason() {
    for (pattern, expected) in [
        ("(", "character 1: '(' is not closed"),
        ("é)", "character 2: ')' was never opened"),
        ("a|*", "character 3: '*' has nothing to repeat"),
        ("{2}", "character 1: '{2}' has nothing to repeat"),
        (
            "(?i)a",
            "character 2: '(?' is not POSIX syntax, so '?' has nothing to repeat",
        ),
        (
            "a{1001}",
            "character 2: '{1001}' is no range within 0 to 1000",
        ),
        (
            "a{3,2}",
            "character 2: '{3,2}' is no range within 0 to 1000",
        ),
        (
            "(a{40}){40}",
            "character 8: nested operators repeat a part more than 1000 times",
        ),
        ("x[a", "character 2: '[' is not closed"),
        ("[b-a]", "character 2: 'b-a' is no range of characters"),
        ("[a-c-e]", "character 5: '-e' is no range of characters"),
        (
            "[[:foo:]]",
            "character 2: '[:foo:]' is no class of characters",
        ),
        (
            r"a\d+",
            r"character 2: '\d' is no escape sequence of POSIX syntax, write [0-9]",
        ),
        (
            r"\pN",
            r"character 1: '\p' is no escape sequence of POSIX syntax",
        ),
        (
            r"\x{110000}",
            r"character 1: '\x{110000' is no escape sequence of POSIX syntax",
        ),
        ("a\\", "character 2: '\\' escapes nothing"),
    ] {
        assert_eq!(reason(pattern), expected, "{pattern}");
    }
    for escape in [
        r"\1", r"\8", r"\b", r"\C", r"\A", r"\z", r"\Qa\E", r"\é", r"\x4",
    ] {
        assert!(reason(escape).contains("is no escape sequence"), "{escape}");
    }
    let deep = format!("{}a{}", "(".repeat(251), ")".repeat(251));
    let expected = "character 251: more than 250 groups or operators in each other";
    assert_eq!(reason(&deep), expected);
    let deep = "a".to_owned() + &"*".repeat(100_000);
    assert!(reason(&deep).contains("more than 250 groups"));
    assert_eq!(
        reason(&"[^a]{1000}".repeat(100)),
        "it needs more than 10 MiB of memory"
    );
}

#[test]
fn globs_have_no_alternatives() {
    let glob = |pattern, text| Automaton::glob(pattern, Case::Exact).unwrap().matches(text);
    assert!(glob("*(deleted)", "/tmp/x (deleted)"));
    assert!(!glob("@(a|b)", "a") && glob("@(a|b)", "@(a|b)"));
    assert!(glob("/usr/*", "/usr/bin/nc") && !glob("/usr/*", "x/usr/bin"));
    assert!(glob("n?", "nc") && !glob("n?", "né") && glob("n??", "né"));
    assert!(glob("[a-c]x[!0-9]", "bxy") && !glob("[a-c]x[^0-9]", "bx1"));
    assert!(glob("[", "[") && glob("a[b", "a[b") && glob("[]]", "]"));
    assert!(glob(r"a\*b", "a*b") && !glob(r"a\*b", "axb"));
    assert!(!glob("a\\", "a\\") && !glob("a\\", "a"));
    assert!(
        Automaton::glob("/USR/*", Case::Any)
            .unwrap()
            .matches("/usr/bin")
    );
}

#[test]
fn a_glob_whose_bracket_ends_in_two_places_is_refused() {
    let error = Automaton::glob("x[xa-[:alpha:]]", Case::Exact).unwrap_err();
    assert!(matches!(error, PatternError::Glob(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "byte 2: where '[' is closed depends on the text"
    );
}

#[test]
fn plain_beginnings_of_patterns_are_known() {
    for (text, prefix) in [
        ("/usr/(s)?bin", "/usr/"),
        ("/usr/bin/py?.*", "/usr/bin/p"),
        ("/opt/a7/.*", "/opt/a7/"),
        ("/opt/(a|b)", "/opt/"),
        ("ab|cd", ""),
        ("é*", ""),
        ("é|è", ""),
        (".*", ""),
    ] {
        assert_eq!(Automaton::regex(text).unwrap().prefix(), prefix, "{text}");
    }
    for (text, case, prefix) in [
        ("/usr/*/nc", Case::Exact, "/usr/"),
        ("/usr/bin", Case::Exact, "/usr/bin"),
        ("*(a|b)", Case::Exact, ""),
        ("é?", Case::Exact, "é"),
        ("/1/a*", Case::Any, "/1/"),
    ] {
        let automaton = Automaton::glob(text, case).unwrap();
        assert_eq!(automaton.prefix(), prefix, "{text}");
    }
}
