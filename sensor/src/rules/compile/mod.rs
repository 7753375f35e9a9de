//! Definitions → one graph of checks in which every macro, every check and
//! every field is there once, however many rules use it.

mod affixes;
mod check;
mod dispatch;
mod glob;
mod graph;
mod keys;
mod known;
mod macros;
mod names;
mod number;
mod paths;
mod prepare;
mod resolve;
mod test;
mod text;

pub(crate) use check::{Check, CheckId, Checks, OperandId, OperandInfo};
pub(crate) use dispatch::{Dispatch, shared_first};
pub(crate) use graph::{Expr, Graph, NodeId};
#[cfg(test)]
pub(crate) use known::HOST;
pub(crate) use known::{EVENT_TYPES, Facts, Peer, fold};
pub(crate) use macros::Compiler;
pub(crate) use names::names;
pub(crate) use resolve::Remarks;
pub(crate) use test::{Several, Test, number_of};
pub(crate) use text::is_ordered;
