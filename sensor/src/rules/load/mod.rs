//! Files → definitions: what each rule, macro and list is when all files, with
//! their appends and overrides, have been read in order.

mod definitions;
mod document;
mod exceptions;
mod files;
mod located;
mod reader;
mod rule_item;
mod versions;

pub use definitions::{Definition, Definitions, ListDefinition, MacroDefinition, RuleDefinition};
pub use document::load;
pub use exceptions::{Comparison, Exception};
pub use files::{RuleFile, digest, read};
pub use located::Located;
pub use reader::Problems;
