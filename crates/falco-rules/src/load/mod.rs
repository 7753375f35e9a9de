//! Files → definitions: each rule, macro and list after all files, with their appends and
//! overrides, have been read in order.

mod definitions;
mod document;
mod exceptions;
mod files;
mod located;
mod reader;
mod rule_item;
mod schema;
mod versions;

pub(crate) use definitions::{
    Definition, Definitions, ListDefinition, MacroDefinition, RuleDefinition, Table,
};
pub(crate) use document::load;
pub(crate) use exceptions::{Comparison, Exception};
pub(crate) use files::digest;
pub use files::{RuleFile, read};
pub(crate) use located::Located;
pub(crate) use reader::Problems;
pub use schema::schema;
pub use versions::ENGINE_VERSION;
pub(crate) use versions::Provided;
