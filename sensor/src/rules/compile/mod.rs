//! Definitions → one graph of checks in which every macro, every check and
//! every field is there once, however many rules use it.

mod check;
mod dispatch;
mod glob;
mod graph;
mod known;
mod macros;
mod number;
mod paths;
mod prepare;
mod resolve;
mod test;
mod text;

pub use check::{Check, CheckId, Checks, OperandId, OperandInfo};
pub use dispatch::Dispatch;
pub use graph::{Expr, Graph, NodeId};
pub use known::{EVENT_TYPES, Facts, fold};
pub use macros::Compiler;
pub use resolve::Remarks;
pub use test::{Several, Test, number_of};
pub use text::is_ordered;
