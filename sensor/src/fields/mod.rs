//! The registry of fields: one table that output, rules and `--list` read.
//!
//! A field is a row of a table in the module of its class (`evt`, `proc`,
//! `user`, `container`, `k8s`, `fd`): name, type, meaning, for which kinds of
//! event it has a value, what it needs, and its accessor.

mod ancestors;
mod clock;
mod community;
mod container;
mod context;
mod ends;
mod entity;
mod errno;
mod evt;
mod fd;
pub mod foreign;
mod k8s;
mod operand;
mod operand_parser;
mod parse_error;
mod process;
mod reference;
mod registry;
mod sanitize;
mod template;
#[cfg(test)]
mod template_tests;
mod text;
mod thread;
mod transform;
mod user;
mod value;

pub use clock::write_time;
pub use context::{Context, Memo};
pub use operand::Operand;
pub use operand_parser::quoted;
pub use parse_error::ParseError;
pub use reference::{ANCESTORS_MAX, Argument, FieldError, FieldRef};
pub use registry::{ArgumentKind, Field, Kinds, Needs, all, find};
pub use sanitize::sanitize;
pub use template::Template;
pub use transform::Transformer;
pub use value::{TimeForm, Type, Value};
