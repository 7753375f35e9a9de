//! The registry of fields: one table that outputs, rules and `--list` read.
//!
//! A field is a row of a table in the module of its class (`evt`, `proc`, `user`, `container`,
//! `k8s`, `fd`): name, type, meaning, the kinds of events with a value, what the field needs, and
//! its accessor. [`falco_rules`] gets the tables through [`Syscall`], and defines how rules and
//! outputs write and use fields.

mod ancestors;
mod arguments;
mod call;
mod class;
mod community;
mod container;
mod context;
mod endpoints;
mod entity;
mod environment;
mod errno;
mod evt;
mod fd;
mod figures;
mod foreign;
mod k8s;
mod k8smeta;
mod probes;
mod process;
mod registry;
mod source;
#[cfg(test)]
mod template_tests;
mod thread;
mod user;
mod written;

pub use ancestors::ANCESTORS_MAX;
#[cfg(test)]
pub(crate) use class::HOST;
pub use class::{class, of_kind};
pub use context::{Context, Environment, Memo};
pub use endpoints::endpoints_of;
pub use falco_rules::{
    Argument, ArgumentKind, Classes, FieldError, ParseError, TimeForm, Type, Value, sanitize,
    write_time,
};
pub use fd::DOMAINS;
use registry::field;
pub use registry::{Field, FieldRef, Needs, Template, all, find};
pub use source::Syscall;
