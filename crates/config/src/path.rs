//! Paths of `-o`: `a.b[0].c=value`, as Falco reads them.

use yaml::{Kind, Node, Style};

/// A step from a value to a value inside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `.name`: the value of a mapping's key.
    Key(String),
    /// `[2]`: an element of a list; one past the last is a new one.
    Index(usize),
    /// `[]`: a new element at the end of a list.
    Append,
}

/// Reads a path. A backslash takes the special meaning from `.`, `[`, `]` and `\\`.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut name = String::new();
    let mut chars = text.chars().peekable();
    // Whether the path may go on with a name.
    let mut wants_name = true;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('.' | '[' | ']' | '\\')) => name.push(c),
                Some(c) => return Err(format!("'\\{c}' is no escape in a key")),
                None => return Err("a backslash stands at the end of the key".into()),
            },
            '.' | '[' => {
                if !name.is_empty() {
                    steps.push(Step::Key(std::mem::take(&mut name)));
                } else if wants_name {
                    return Err(format!("no name before '{c}'"));
                }
                wants_name = c == '.';
                if c == '[' {
                    steps.push(index(&mut chars)?);
                }
            }
            c if wants_name || !name.is_empty() => {
                name.push(c);
                wants_name = false;
            }
            c => return Err(format!("'.' or '[' expected after ']', not '{c}'")),
        }
    }
    if !name.is_empty() {
        steps.push(Step::Key(name));
    } else if wants_name {
        return Err("no name at its end".into());
    }
    Ok(steps)
}

/// Reads what stands behind `[`.
fn index(chars: &mut impl Iterator<Item = char>) -> Result<Step, String> {
    let mut digits = String::new();
    for c in chars {
        if c != ']' {
            digits.push(c);
        } else if digits.is_empty() {
            return Ok(Step::Append);
        } else {
            let number = digits.parse().map(Step::Index);
            return number.map_err(|_| format!("'{digits}' is no number"));
        }
    }
    Err("']' is missing".into())
}

/// Why a value cannot be put at a place.
#[derive(Debug)]
pub(super) struct Misplaced {
    /// What is wrong, behind the name of the key.
    pub(super) message: String,
    /// What to write instead.
    pub(super) hint: &'static str,
}

/// Puts a value at a place inside of a node; makes the lists and mappings on the way.
///
/// # Errors
/// If the place cannot be there.
pub(super) fn put(node: &mut Node, steps: &[Step], value: &Node) -> Result<(), Misplaced> {
    let Some((step, steps)) = steps.split_first() else {
        node.kind = value.kind.clone();
        return Ok(());
    };
    let wrong = |message: String, hint| Err(Misplaced { message, hint });
    let nothing = Node {
        kind: Kind::Scalar("".into(), Style::Plain),
        position: value.position,
    };
    if node.is_null() {
        node.kind = match step {
            Step::Key(_) => Kind::Mapping(Vec::new()),
            Step::Index(_) | Step::Append => Kind::Sequence(Vec::new()),
        };
    }
    let found = node.describe();
    let next = match (step, &mut node.kind) {
        (Step::Key(name), Kind::Mapping(entries)) => {
            let is = |(key, _): &(Node, Node)| key.as_str() == Some(name);
            let at = entries.iter().position(is).unwrap_or_else(|| {
                let kind = Kind::Scalar(name.as_str().into(), Style::DoubleQuoted);
                let key = Node {
                    kind,
                    position: value.position,
                };
                entries.push((key, nothing));
                entries.len() - 1
            });
            &mut entries[at].1
        }
        (Step::Index(_) | Step::Append, Kind::Sequence(items)) => {
            let at = match step {
                Step::Index(at) => *at,
                _ => items.len(),
            };
            if at > items.len() {
                let message = format!(" has {} elements, there is no [{at}]", items.len());
                return wrong(message, "write [] instead to add one");
            }
            if at == items.len() {
                items.push(nothing);
            }
            &mut items[at]
        }
        (Step::Key(name), _) => {
            let message = format!(" is {found}: it has no key '{name}'");
            return wrong(message, "write list[0].key=value or list[].key=value");
        }
        _ => {
            return wrong(
                format!(" is {found}: it has no elements"),
                "write key=value",
            );
        }
    };
    put(next, steps, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.into())
    }

    #[test]
    fn a_path_is_names_and_elements() {
        for (text, steps) in [
            ("a", vec![key("a")]),
            ("a.b", vec![key("a"), key("b")]),
            ("a[].b", vec![key("a"), Step::Append, key("b")]),
            ("a[1][2]", vec![key("a"), Step::Index(1), Step::Index(2)]),
            (
                "a.b[0].c",
                vec![key("a"), key("b"), Step::Index(0), key("c")],
            ),
            (r"a.k\.io\[x\]\\", vec![key("a"), key(r"k.io[x]\")]),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(&steps[..]), "{text}");
        }
    }

    #[test]
    fn a_path_with_a_gap_is_an_error_that_says_where() {
        for (text, problem) in [
            ("", "no name"),
            (".a", "no name before '.'"),
            ("a..b", "no name before '.'"),
            ("a.", "no name at its end"),
            ("[0]", "no name before '['"),
            ("a[x]", "'x' is no number"),
            ("a[-1]", "'-1' is no number"),
            ("a[0", "']' is missing"),
            ("a[0]b", "expected after ']'"),
            (r"a\b", r"'\b' is no escape"),
            (r"a\", "backslash stands at the end"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
