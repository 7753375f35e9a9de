//! `sensor watch`: events as rows for people, from lines of JSON, recordings and a running sensor.
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
mod losses;
mod recorded;
mod row;
mod screen;
#[cfg(test)]
mod screenshots;
mod text;
mod top;
mod tree;
mod view;

pub use filter::{Filter, FilterError, Places, of_every_field};
pub use lines::{Line, Lines};
pub use recorded::{Recorded, Seen};
pub use row::Row;
pub use screen::{Fed, show};
pub use view::{ROWS, Show, View};
