//! Definitions → one graph of checks that has every macro, every check and every field once,
//! however many rules use them.

mod affixes;
mod automaton;
mod check;
mod constants;
mod dispatch;
mod graph;
mod keys;
mod known;
mod macros;
pub(crate) mod number;
mod paths;
mod prepare;
mod resolve;
mod test;
mod text;

pub(crate) use check::{Check, CheckId, Checks, OperandId, OperandInfo};
pub(crate) use constants::constants;
pub(crate) use dispatch::{Dispatch, shared_first};
pub(crate) use graph::{Expr, Graph, NodeId};
pub(crate) use known::{Known, Verdicts, fold};
pub(crate) use macros::Compiler;
pub(crate) use resolve::Diagnostics;
pub(crate) use test::{Quantifier, Test, number_of};
pub(crate) use text::is_ordered;
