//! Fields: their values, their text, templates and transformers.

mod buffer;
mod clock;
mod field;
mod operand;
mod operand_parser;
mod parse_error;
mod quotes;
mod reference;
mod sanitize;
mod template;
mod text;
mod transform;
mod value;

pub use buffer::Buffer;
pub use clock::write_time;
pub use field::{ArgumentKind, Field, Getter};
pub(crate) use operand::{Operand, field_name, is_transformer};
pub use parse_error::ParseError;
use quotes::bare;
pub(crate) use quotes::{bracketed, number_len, quoted};
pub use reference::{Argument, FieldError, FieldRef};
pub use sanitize::sanitize;
pub use template::Template;
pub(crate) use transform::Transformer;
pub use value::{TimeForm, Type, Value};
