//! Outcomes in `JUnit`'s form, which hosts of CI read.

use std::{fmt::Write as _, path::Path};

use super::Outcome;

/// The outcomes of files of cases as a `JUnit` document.
#[must_use]
pub fn junit<'o>(files: impl IntoIterator<Item = (&'o Path, &'o [Outcome])>) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (path, outcomes) in files {
        let failed = outcomes
            .iter()
            .filter(|one| !one.failures.is_empty())
            .count();
        let path = escaped(&path.to_string_lossy());
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "  <testsuite name=\"{path}\" tests=\"{}\" failures=\"{failed}\">",
            outcomes.len()
        );
        for outcome in outcomes {
            let name = escaped(&outcome.name);
            let _ = write!(out, "    <testcase classname=\"{path}\" name=\"{name}\"");
            if outcome.failures.is_empty() {
                out.push_str("/>\n");
                continue;
            }
            let text = escaped(&outcome.failures.join("\n"));
            let first = escaped(outcome.failures[0].lines().next().unwrap_or_default());
            let _ = writeln!(
                out,
                ">\n      <failure message=\"{first}\">{text}</failure>\n    </testcase>"
            );
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// A text in XML. Characters that XML 1.0 forbids become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_failures_are_escaped() {
        let failed = Outcome {
            name: "a < b".into(),
            line: 1,
            failures: vec!["'x & \u{1}' is \"false\"".into()],
        };
        let passed = Outcome {
            name: "fine".into(),
            line: 2,
            failures: Vec::new(),
        };
        let text = junit([(Path::new("r.test.yaml"), [failed, passed].as_slice())]);
        assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
        assert!(text.contains("name=\"a &lt; b\""), "{text}");
        assert!(
            text.contains("'x &amp; \u{fffd}' is &quot;false&quot;"),
            "{text}"
        );
    }
}
