//! Outlines and written events agree with the engine, and with an evaluator that is too simple to
//! be wrong.

use std::{collections::BTreeMap, fmt::Write as _, sync::OnceLock};

use bumpalo::Bump;
use serde_json::{Map, Value as Json, json};

use super::programs::Programs;
use crate::{
    Change, Fields, FieldsError, Matching, Options, Outline, Part, RuleFile, Scratch, Table,
    Writable, Written, WrittenEvent,
};

impl Writable for Programs {
    fn table() -> &'static OnceLock<Table<Self>> {
        static TABLE: OnceLock<Table<Programs>> = OnceLock::new();
        &TABLE
    }
}

type RuleSet = crate::RuleSet<Written<Programs>>;

fn rules(text: &str) -> RuleSet {
    let options = Options {
        matching: Matching::All,
        outlines: true,
        ..Options::default()
    };
    let compilation = crate::compile(&[RuleFile::new("rules.yaml", text)], &options);
    let report = compilation.report;
    compilation
        .set
        .unwrap_or_else(|| panic!("{}", report.text()))
}

fn fields(object: &Json) -> Result<Fields, FieldsError> {
    Fields::new::<Programs>(object.as_object().unwrap(), false)
}

/// Whether the first rule matches, and the verdict of each leaf.
fn look(set: &RuleSet, fields: &Fields) -> (bool, Vec<bool>) {
    let arena = Bump::new();
    let event = WrittenEvent::new(fields, &arena);
    let mut scratch = Scratch::default();
    let mut matches = false;
    set.evaluate(&mut scratch, &event, &mut |_| matches = true);
    let outline = set.outline(0).unwrap();
    let verdicts = set.verdicts(&mut scratch, outline, &event);
    (matches, verdicts.iter().map(|(is, _)| *is).collect())
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// A condition as the simple evaluator reads it.
enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Not(Box<Tree>),
    Macro(usize),
    Leaf(Check),
}

#[derive(Clone)]
struct Check {
    field: &'static str,
    operator: &'static str,
    values: Vec<String>,
}

const TEXTS: [&str; 6] = ["nc", "bash", "n", "/bin/nc", "ash", "B"];
const NUMBERS: [&str; 4] = ["0", "7", "1000", "34816"];

fn check(dice: &mut Dice) -> Check {
    let field = dice.pick(&[
        "proc.name",
        "proc.exepath",
        "proc.pid",
        "proc.tty",
        "proc.aname",
    ]);
    let is_number = matches!(field, "proc.pid" | "proc.tty");
    let operator = if is_number {
        dice.pick(&["=", "!=", "<", "<=", ">", ">=", "in", "exists"])
    } else {
        dice.pick(&[
            "=",
            "!=",
            "contains",
            "icontains",
            "startswith",
            "endswith",
            "in",
            "exists",
        ])
    };
    let count = match operator {
        "exists" => 0,
        "in" => 1 + dice.roll(3),
        _ => 1,
    };
    let of: &[&str] = if is_number { &NUMBERS } else { &TEXTS };
    let values = (0..count).map(|_| dice.pick(of).to_owned()).collect();
    Check {
        field,
        operator,
        values,
    }
}

fn tree(dice: &mut Dice, depth: usize, macros: usize) -> Tree {
    let parts = |dice: &mut Dice| {
        let count = 2 + dice.roll(2);
        (0..count).map(|_| tree(dice, depth - 1, macros)).collect()
    };
    match dice.roll(if depth == 0 { 2 } else { 7 }) {
        0 if macros > 0 => Tree::Macro(dice.roll(macros)),
        0 | 1 => Tree::Leaf(check(dice)),
        2 => Tree::Not(Box::new(tree(dice, depth - 1, macros))),
        3 | 4 => Tree::All(parts(dice)),
        _ => Tree::Any(parts(dice)),
    }
}

impl Check {
    fn text(&self) -> String {
        let Self {
            field,
            operator,
            values,
        } = self;
        match *operator {
            "exists" => format!("{field} exists"),
            "in" => format!("{field} in ({})", values.join(", ")),
            _ => format!("{field} {operator} {}", values[0]),
        }
    }

    /// The verdict for the values of the field: nothing, one, or those of each ancestor.
    fn verdict(&self, values: &[Json]) -> bool {
        let of_one = |value: &Json| {
            let text = value.as_str().unwrap_or_default();
            let compare = |wanted: &String| match value.as_u64() {
                Some(number) => {
                    let wanted: u64 = wanted.parse().unwrap();
                    match self.operator {
                        "<" => number < wanted,
                        "<=" => number <= wanted,
                        ">" => number > wanted,
                        ">=" => number >= wanted,
                        _ => number == wanted,
                    }
                }
                None => match self.operator {
                    "contains" => text.contains(wanted),
                    "icontains" => text.to_lowercase().contains(&wanted.to_lowercase()),
                    "startswith" => text.starts_with(wanted),
                    "endswith" => text.ends_with(wanted),
                    _ => text == wanted,
                },
            };
            let is = self.values.iter().any(compare);
            if self.operator == "!=" { !is } else { is }
        };
        match self.operator {
            "exists" => !values.is_empty(),
            _ => values.iter().any(of_one),
        }
    }
}

impl Tree {
    fn text(&self) -> String {
        let joined = |parts: &[Self], by: &str| {
            let parts: Vec<_> = parts.iter().map(Self::text).collect();
            format!("({})", parts.join(by))
        };
        match self {
            Self::All(parts) => joined(parts, " and "),
            Self::Any(parts) => joined(parts, " or "),
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::Macro(number) => format!("m{number}"),
            Self::Leaf(check) => check.text(),
        }
    }

    /// The verdict; adds the verdict of each leaf in the order of the text.
    fn verdict(
        &self,
        event: &BTreeMap<&str, Vec<Json>>,
        macros: &[Self],
        to: &mut Vec<bool>,
    ) -> bool {
        // Every part is looked at: `all` and `any` would leave out leaves.
        let mut each = |parts: &[Self]| -> Vec<bool> {
            parts
                .iter()
                .map(|part| part.verdict(event, macros, to))
                .collect()
        };
        match self {
            Self::All(parts) => each(parts).iter().all(|is| *is),
            Self::Any(parts) => each(parts).iter().any(|is| *is),
            Self::Not(inner) => !inner.verdict(event, macros, to),
            Self::Macro(number) => macros[*number].verdict(event, macros, to),
            Self::Leaf(check) => {
                let is = check.verdict(event.get(check.field).map_or(&[], Vec::as_slice));
                to.push(is);
                is
            }
        }
    }
}

fn event(dice: &mut Dice) -> (Map<String, Json>, BTreeMap<&'static str, Vec<Json>>) {
    let mut object = Map::from_iter([("evt.type".to_owned(), json!("execve"))]);
    let mut values = BTreeMap::new();
    for field in ["proc.name", "proc.exepath", "proc.pid", "proc.tty"] {
        if dice.roll(5) == 0 {
            continue;
        }
        let value = match field {
            "proc.pid" | "proc.tty" => json!(dice.pick(&NUMBERS).parse::<u64>().unwrap()),
            _ => json!(dice.pick(&TEXTS)),
        };
        object.insert(field.into(), value.clone());
        values.insert(field, vec![value]);
    }
    let ancestors: Vec<Json> = (0..dice.roll(4))
        .map(|_| json!(dice.pick(&TEXTS)))
        .collect();
    if !ancestors.is_empty() {
        object.insert("proc.aname".into(), ancestors.clone().into());
        values.insert("proc.aname", ancestors);
    }
    (object, values)
}

#[test]
fn outlines_agree_with_the_engine_and_with_a_simple_evaluator_leaf_by_leaf() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut pairs = 0;
    for _ in 0..500 {
        let mut text = String::new();
        let mut macros = Vec::new();
        for number in 0..3 {
            let tree = tree(&mut dice, 1, number);
            let condition = tree.text();
            let _ = writeln!(text, "- macro: m{number}\n  condition: {condition}");
            macros.push(tree);
        }
        let tree = tree(&mut dice, 3, 3);
        let condition = format!("evt.type = execve and {}", tree.text());
        text += &super::rule("r", &condition);
        let set = rules(&text);
        for _ in 0..20 {
            let (object, values) = event(&mut dice);
            let fields = fields(&Json::Object(object.clone())).unwrap();
            let mut simple = vec![true];
            let expected = tree.verdict(&values, &macros, &mut simple);
            let (matches, leaves) = look(&set, &fields);
            assert_eq!(leaves, simple, "{condition}\n{object:?}");
            assert_eq!(matches, expected, "{condition}\n{object:?}");
            let outline = set.outline(0).unwrap();
            assert_eq!(outline.is_true(&leaves), expected, "{condition}");
            if let Some(leaf) = outline.decisive(&leaves) {
                let mut contrary = leaves.clone();
                contrary[leaf] = !contrary[leaf];
                assert_eq!(
                    outline.is_true_with(Change::Negate(leaf), &leaves),
                    outline.is_true(&contrary)
                );
            }
            pairs += 1;
        }
    }
    assert_eq!(pairs, 10_000);
}

#[test]
fn an_outline_has_macros_lists_and_exceptions_by_name() {
    let text = "
- list: shells
  items: [bash, ash]
- macro: shell
  condition: proc.name in (shells)
- rule: r
  desc: d
  condition: evt.type = execve and not shell
  output: o
  priority: INFO
  exceptions:
    - name: known
      fields: [proc.name, proc.pid]
      values:
        - [nc, 7]
        - [cat, 8]
";
    let set = rules(text);
    let outline = set.outline(0).unwrap();
    let leaves: Vec<_> = outline.leaves().iter().map(|leaf| &*leaf.text).collect();
    assert_eq!(
        leaves,
        [
            "evt.type = execve",
            "proc.name in (bash, ash)",
            "proc.name = nc",
            "proc.pid = 7",
            "proc.name = cat",
            "proc.pid = 8"
        ]
    );
    let Part::All(parts) = outline.root() else {
        panic!("{:?}", outline.root());
    };
    assert!(
        matches!(&parts[1], Part::Not(inner) if matches!(&**inner, Part::Macro(name, _) if &**name == "shell"))
    );
    assert!(
        matches!(&parts[2], Part::Not(inner) if matches!(&**inner, Part::Exception(name, _) if &**name == "known"))
    );
}

#[test]
fn the_first_comparison_that_decides_is_named() {
    let set = rules(&super::rule(
        "r",
        "evt.type = execve and (proc.name = nc or proc.name = cat) and proc.pid > 7",
    ));
    let outline: &Outline = set.outline(0).unwrap();
    let decisive = |object: &Json| {
        let (_, leaves) = look(&set, &fields(object).unwrap());
        let leaf = outline.decisive(&leaves)?;
        Some(&*outline.leaves()[leaf].text)
    };
    let event = json!({"evt.type": "execve", "proc.name": "nc", "proc.pid": 3});
    assert_eq!(decisive(&event), Some("proc.pid > 7"));
    let event = json!({"evt.type": "connect", "proc.name": "nc"});
    assert_eq!(decisive(&event), Some("evt.type = execve"));
    // Both names decide together.
    let event = json!({"evt.type": "execve", "proc.name": "ls", "proc.pid": 9});
    assert_eq!(decisive(&event), None);
}

#[test]
fn a_written_event_has_values_by_number_and_parts() {
    let event = json!({
        "evt.type": "execve", "proc.aname[1]": "sh", "proc.aname[2]": "init",
        "proc.args": "-e /bin/sh", "proc.env[A]": "x",
    });
    let event = fields(&event).unwrap();
    for (condition, expected) in [
        ("proc.aname = init", true),
        ("proc.aname[1] = sh", true),
        ("proc.aname[3] exists", false),
        ("proc.env[A] = x", true),
        ("proc.env[B] exists", false),
        ("join(\"+\", proc.args) = -e+/bin/sh", true),
        ("evt.failed = false", true),
    ] {
        let set = rules(&super::rule("r", condition));
        assert_eq!(look(&set, &event).0, expected, "{condition}");
    }
}

#[test]
fn a_written_event_that_is_none_says_why() {
    let problem = |object: &Json| fields(object).unwrap_err().to_string();
    assert_eq!(
        problem(&json!({"proc.pid": 1})),
        "the event has no 'evt.type'"
    );
    assert_eq!(
        problem(&json!({"evt.type": "execve", "proc.pid": "x"})),
        "'proc.pid' is a number, and \"x\" is none"
    );
    assert_eq!(
        problem(&json!({"evt.type": "reboot"})),
        "no event here has the type 'reboot'"
    );
    assert_eq!(
        problem(&json!({"evt.type": "connect", "evt.failed": true, "proc.nam": "x"}))
            .split(": did")
            .nth(1),
        Some(" you mean 'proc.name'?")
    );
}

#[test]
fn a_line_of_another_program_keeps_what_is_known() {
    let line = json!({"evt.type": "execve", "proc.pid": "x", "my.own": 1, "proc.name": "nc"});
    let event = Fields::new::<Programs>(line.as_object().unwrap(), true).unwrap();
    let names: Vec<_> = event.names().collect();
    assert_eq!(names, ["evt.failed", "evt.type", "proc.name"]);
}
