//! Conditions as people wrote them: macros by name, and each check as a leaf with a verdict of
//! its own. The engine evaluates a graph in which each check is once; an outline shows why a
//! rule matches or does not, and which check decides.

use crate::{
    Source,
    compile::{Compiler, Diagnostics, Expr, NodeId, OperandId, Test},
    condition::{Condition, parse},
};

/// Most leaves of an outline: macros in macros can stand for more checks than anybody reads.
const LEAVES_MAX: usize = 100_000;

/// A condition with its macros and exceptions, as a tree whose leaves are checks.
#[derive(Clone, Debug)]
pub struct Outline {
    root: Part,
    leaves: Vec<Leaf>,
}

/// A part of an outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The conjunction of parts.
    All(Vec<Part>),
    /// The disjunction of parts.
    Any(Vec<Part>),
    /// The negation of a part.
    Not(Box<Part>),
    /// The condition of a macro.
    Macro(Box<str>, Box<Part>),
    /// The values of an exception.
    Exception(Box<str>, Box<Part>),
    /// A check, by its number among [`Outline::leaves`].
    Leaf(usize),
}

/// A check of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The check, lists expanded.
    pub text: Box<str>,
    /// The fields of the check, each with its argument.
    pub fields: Box<[Box<str>]>,
    pub(crate) node: NodeId,
}

/// A change of one leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The leaf says the contrary.
    Negate(usize),
    /// The leaf is left out of the condition.
    Remove(usize),
}

impl Outline {
    /// The whole condition.
    #[must_use]
    pub fn root(&self) -> &Part {
        &self.root
    }

    /// The checks, in the order of the text.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Whether the condition is true where its leaves have these verdicts.
    #[must_use]
    pub fn is_true(&self, verdicts: &[bool]) -> bool {
        self.changed(verdicts, None)
    }

    /// Whether the condition with a change is true where the leaves of the unchanged condition have
    /// these verdicts. An empty condition is true.
    #[must_use]
    pub fn is_true_with(&self, change: Change, verdicts: &[bool]) -> bool {
        self.changed(verdicts, Some(change))
    }

    fn changed(&self, verdicts: &[bool], change: Option<Change>) -> bool {
        self.root
            .verdict(&|leaf| {
                let verdict = verdicts.get(leaf).copied().unwrap_or(false);
                match change {
                    Some(Change::Negate(of)) if of == leaf => Some(!verdict),
                    Some(Change::Remove(of)) if of == leaf => None,
                    _ => Some(verdict),
                }
            })
            .unwrap_or(true)
    }

    /// Whether a part is true where the leaves have these verdicts.
    #[must_use]
    pub fn is_part_true(part: &Part, verdicts: &[bool]) -> bool {
        let verdict = |leaf: usize| Some(verdicts.get(leaf).copied().unwrap_or(false));
        part.verdict(&verdict).unwrap_or(true)
    }

    /// The first leaf, in the order of the text, that decides the condition: of a conjunction that
    /// is false the first part that is false, of a disjunction that is true the first that is true.
    /// Nothing where all parts decide together.
    #[must_use]
    pub fn decisive(&self, verdicts: &[bool]) -> Option<usize> {
        let mut part = &self.root;
        loop {
            let first = |parts: &'_ [Part], wanted: bool| {
                let mut parts = parts.iter();
                parts.position(|part| Self::is_part_true(part, verdicts) == wanted)
            };
            part = match part {
                Part::All(parts) => &parts[first(parts, false)?],
                Part::Any(parts) => &parts[first(parts, true)?],
                Part::Not(inner) | Part::Macro(_, inner) | Part::Exception(_, inner) => inner,
                Part::Leaf(leaf) => return Some(*leaf),
            };
        }
    }
}

impl Part {
    /// Whether the part is true, by the verdicts of its leaves; nothing if no leaf of it is left.
    fn verdict(&self, leaf: &impl Fn(usize) -> Option<bool>) -> Option<bool> {
        match self {
            Self::Leaf(number) => leaf(*number),
            Self::Not(inner) => inner.verdict(leaf).map(|verdict| !verdict),
            Self::Macro(_, inner) | Self::Exception(_, inner) => inner.verdict(leaf),
            Self::All(parts) => {
                let verdicts = parts.iter().filter_map(|part| part.verdict(leaf));
                verdicts.reduce(|all, one| all && one)
            }
            Self::Any(parts) => {
                let verdicts = parts.iter().filter_map(|part| part.verdict(leaf));
                verdicts.reduce(|all, one| all || one)
            }
        }
    }
}

/// Makes outlines from what the compiler has compiled.
pub(crate) struct Outliner<'c, 'd, S: Source> {
    compiler: &'c mut Compiler<'d, S>,
    leaves: Vec<Leaf>,
}

impl<'c, 'd, S: Source> Outliner<'c, 'd, S> {
    /// The outline of a rule that has no errors: its condition, and its exceptions with the nodes
    /// of their values. Nothing if the outline would be too large.
    pub(crate) fn outline(
        compiler: &'c mut Compiler<'d, S>,
        condition: &str,
        exceptions: &[(Box<str>, NodeId)],
    ) -> Option<Outline> {
        let mut this = Self {
            compiler,
            leaves: Vec::new(),
        };
        let (tree, _) = parse::<S>(condition).ok()?;
        let condition = this.part(&tree)?;
        let mut named: Vec<(&str, Vec<Part>)> = Vec::new();
        for (name, node) in exceptions {
            let part = this.of_node(*node)?;
            match named.last_mut() {
                Some((last, parts)) if *last == &**name => parts.push(part),
                _ => named.push((name, vec![part])),
            }
        }
        let exceptions = named.into_iter().map(|(name, parts)| {
            let values = Box::new(joined(parts, Part::Any));
            Part::Not(Box::new(Part::Exception(name.into(), values)))
        });
        let mut parts = match condition {
            Part::All(parts) => parts,
            one => vec![one],
        };
        parts.extend(exceptions);
        Some(Outline {
            root: joined(parts, Part::All),
            leaves: this.leaves,
        })
    }

    fn part(&mut self, tree: &Condition<S>) -> Option<Part> {
        match tree {
            Condition::And(parts) => Some(Part::All(self.parts(parts)?)),
            Condition::Or(parts) => Some(Part::Any(self.parts(parts)?)),
            Condition::Not(inner) => Some(Part::Not(Box::new(self.part(inner)?))),
            Condition::Macro(name) => {
                let macros = &self.compiler.definitions().macros;
                let index = macros.index(&name.text)?;
                let (tree, _) = parse::<S>(&macros.all()[index].value.condition.text).ok()?;
                let body = self.part(&tree)?;
                Some(Part::Macro(name.text.clone(), Box::new(body)))
            }
            Condition::Check { .. } => {
                let mut diagnostics = Diagnostics::default();
                let (node, error) = self.compiler.tree(tree, &mut diagnostics);
                error.is_none().then_some(())?;
                self.of_node(node)
            }
        }
    }

    fn parts(&mut self, trees: &[Condition<S>]) -> Option<Vec<Part>> {
        trees.iter().map(|tree| self.part(tree)).collect()
    }

    fn of_node(&mut self, node: NodeId) -> Option<Part> {
        match self.compiler.graph.get(node).clone() {
            Expr::And(parts) => self.of_nodes(&parts).map(Part::All),
            Expr::Or(parts) => self.of_nodes(&parts).map(Part::Any),
            Expr::Not(inner) => Some(Part::Not(Box::new(self.of_node(inner)?))),
            Expr::Check(check) => {
                let checks = &self.compiler.checks;
                let check = checks.get(check);
                let mut fields = Vec::new();
                let mut add = |operand: OperandId| {
                    let operand = &checks.operands[operand as usize].operand;
                    operand.fields(&mut |field| fields.push(field.key.clone()));
                };
                add(check.operand);
                if let Test::Operand(_, right) = &check.test {
                    add(*right);
                }
                let text = check.text.clone();
                self.leaf(text, fields, node)
            }
            Expr::True => self.leaf("true".into(), Vec::new(), node),
            Expr::False => self.leaf("false".into(), Vec::new(), node),
        }
    }

    fn of_nodes(&mut self, nodes: &[NodeId]) -> Option<Vec<Part>> {
        nodes.iter().map(|node| self.of_node(*node)).collect()
    }

    fn leaf(&mut self, text: Box<str>, fields: Vec<Box<str>>, node: NodeId) -> Option<Part> {
        (self.leaves.len() < LEAVES_MAX).then_some(())?;
        let fields = fields.into();
        self.leaves.push(Leaf { text, fields, node });
        Some(Part::Leaf(self.leaves.len() - 1))
    }
}

/// One part of several.
fn joined(mut parts: Vec<Part>, join: fn(Vec<Part>) -> Part) -> Part {
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        join(parts)
    }
}
