//! Falco's rule language, for events of any kind.
//!
//! ```text
//! files ──load──▶ definitions ──compile──▶ RuleSet ──evaluate──▶ rules that match ──▶ outputs
//!   └──────────────── Report: what is wrong, and where ◀──┘
//! ```
//!
//! The language is that of [Falco](https://falco.org/docs/rules/): rules, macros, lists,
//! exceptions, overrides, every operator and transformer. This crate does not know what the rules
//! are *about*: events, with their fields, come from a [`Source`].
//!
//! ```
//! use bumpalo::Bump;
//! use falco_rules::{Field, Options, RuleFile, Scratch, Source, Type, Value, compile};
//!
//! /// A request, and memory for what is made for it.
//! struct Request<'e> {
//!     path: &'e str,
//!     arena: &'e Bump,
//! }
//!
//! #[derive(Clone, Copy, Debug)]
//! enum Http {}
//!
//! static FIELDS: &[Field<Http>] =
//!     &[Field::new("http.path", Type::String, (), "Path.", |r, _| Value::Str(r.path))];
//!
//! impl Source for Http {
//!     const NAME: &'static str = "http";
//!     type Event<'e> = Request<'e>;
//!     type Needs = ();
//!     fn arena<'e>(request: &'e Request<'e>) -> &'e Bump {
//!         request.arena
//!     }
//!     fn fields() -> impl Iterator<Item = &'static Field<Self>> {
//!         FIELDS.iter()
//!     }
//! }
//!
//! let text = "- {rule: Secret, desc: Somebody got it, condition: http.path startswith /secret/,
//!   output: '%http.path was served', priority: WARNING, source: http}";
//! let compilation = compile::<Http>(&[RuleFile::new("rules.yaml", text)], &Options::default());
//! let rules = compilation.set.unwrap_or_else(|| panic!("{}", compilation.report.text()));
//! let (arena, mut line) = (Bump::new(), Vec::new());
//! let request = Request { path: "/secret/recipe", arena: &arena };
//! rules.evaluate(&mut Scratch::default(), &request, &mut |rule| {
//!     rule.output.render(&request, &mut line);
//! });
//! assert_eq!(line, b"/secret/recipe was served");
//! ```
//!
//! # Costs
//!
//! Conditions become one graph that has each macro, check and field once. The engine evaluates an
//! event only with the rules that an index finds by the event's values (constants, numbers,
//! prefixes, suffixes and patterns of texts); so for an event that matches no rule, a thousand
//! rules cost little more than ten. A [`RuleSet`] never changes: a new one takes its place between
//! two events.

#![expect(
    clippy::single_match_else,
    reason = "a match shows both outcomes side by side"
)]

mod activity;
mod assemble;
mod build;
mod classes;
mod compile;
mod condition;
mod evaluate;
mod exceptions;
mod facts;
mod fields;
mod listing;
mod load;
mod options;
mod outline;
mod output;
mod priority;
mod problem;
mod report;
mod rule;
mod set;
mod source;
#[cfg(test)]
mod tests;
mod used;
mod written;

pub use activity::Tally;
pub use build::{Compilation, compile};
pub use classes::Classes;
pub use evaluate::{Meter, Scratch};
pub use facts::{Fact, Facts};
pub use fields::{
    Argument, ArgumentKind, Buffer, Field, FieldError, FieldRef, Getter, ParseError, Template,
    TimeForm, Type, Value, sanitize, write_time,
};
pub use load::{ENGINE_VERSION, RuleFile, read, schema};
pub use options::{AppendOutput, Matching, Options, Select, Selection};
pub use outline::{Change, Leaf, Outline, Part};
pub use priority::Priority;
pub use problem::{Code, ItemKind, Problem};
pub use report::{FileReport, Report};
pub use rule::{ExtraField, Rule};
pub use set::{Activity, RuleInfo, RuleSet};
pub use source::{Help, Obsolete, Source, Timed};
pub use written::{Fields, FieldsError, Table, Writable, Written, WrittenEvent};
pub use yaml;
