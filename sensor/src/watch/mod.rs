//! `sensor watch`: events as rows for people, from lines of JSON.
//!
//! ```text
//! lines ──Filter──▶ Row ──▶ View: rows, tree, top, details ──▶ screen
//!                    └──▶ the same line again, for programs (--json)
//! ```

mod columns;
mod draw;
mod filter;
mod keys;
mod lines;
mod row;
mod screen;
#[cfg(test)]
mod screenshots;
mod text;
mod top;
mod tree;
mod view;

pub use filter::{Filter, FilterError, Pods};
pub use lines::{Line, Lines};
pub use row::Row;
pub use screen::{Fed, show};
pub use view::{ROWS, Show, View};
