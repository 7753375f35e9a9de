//! Output templates: `user=%user.name cmd=%20proc.cmdline %toupper(proc.name)`.

use bumpalo::collections::Vec as BumpVec;

use super::{Buffer, FieldRef, Operand, ParseError, Value, is_transformer};
use crate::Source;

/// Widest column.
const WIDTH_MAX: usize = 4096;

/// A rule output, ready to be rendered.
#[derive(Clone, Debug)]
pub struct Template<S: Source> {
    pieces: Box<[Piece<S>]>,
    fields: Box<[FieldRef<S>]>,
    text: Box<str>,
}

#[derive(Clone, Debug)]
struct Piece<S: Source> {
    content: Content<S>,
    /// Width: pads with blanks, or cuts, to that many bytes.
    width: Option<usize>,
}

#[derive(Clone, Debug)]
enum Content<S: Source> {
    Literal(Box<str>),
    /// Index of [`Template::fields`].
    Field(usize),
    Transformed(Operand<S>),
}

/// An empty text.
impl<S: Source> Default for Template<S> {
    fn default() -> Self {
        Self {
            pieces: Box::default(),
            fields: Box::default(),
            text: Box::default(),
        }
    }
}

impl<S: Source> Template<S> {
    /// Parses a rule output. After `%` comes an optional width, then a transformer or the longest
    /// text that is a field; what does not belong to the field is printed as it is. There is no
    /// `%%`. An asterisk at the beginning is not printed: with it, Falco's outputs say that values
    /// may be missing, which is always so here.
    ///
    /// # Errors
    /// If no known field follows a `%`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut parts = Vec::new();
        let mut at = usize::from(text.starts_with('*'));
        while let Some(found) = memchr::memchr(b'%', &text.as_bytes()[at..]) {
            if found > 0 {
                parts.push((Part::Literal(text[at..at + found].into()), None));
            }
            let percent = at + found;
            at = percent + 1;
            let (width, digits) = width(&text[at..]).map_err(|e| e.shift(percent))?;
            at += digits;
            let rest = &text[at..];
            if is_transformer(rest) {
                let (operand, len) = Operand::parse_prefix(rest).map_err(|e| e.shift(at))?;
                parts.push((Part::Transformed(operand), width));
                at += len;
            } else if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let (field, len) =
                    FieldRef::parse_prefix(rest).map_err(|e| ParseError::field::<S>(at, &e))?;
                parts.push((Part::Field(field), width));
                at += len;
            } else {
                let error = ParseError::new(percent, "'%' is not followed by a field");
                return Err(
                    error.hint("write %field or %field[argument]; a '%' itself cannot be printed")
                );
            }
        }
        if at < text.len() {
            parts.push((Part::Literal(text[at..].into()), None));
        }
        Ok(Self::new(parts, text))
    }

    fn new(parts: Vec<(Part<S>, Option<usize>)>, text: &str) -> Self {
        let mut fields = Vec::new();
        for (part, _) in &parts {
            match part {
                Part::Literal(_) => {}
                Part::Field(field) => fields.push(field.clone()),
                Part::Transformed(operand) => operand.fields(&mut |f| fields.push(f.clone())),
            }
        }
        fields.sort_by(|a, b| a.key.cmp(&b.key));
        fields.dedup_by(|a, b| a.key == b.key);
        let pieces = parts
            .into_iter()
            .map(|(part, width)| Piece {
                content: match part {
                    Part::Literal(text) => Content::Literal(text),
                    Part::Transformed(operand) => Content::Transformed(operand),
                    Part::Field(field) => {
                        match fields.binary_search_by(|f| f.key.cmp(&field.key)) {
                            Ok(index) => Content::Field(index),
                            Err(_) => Content::Transformed(Operand::Field(field)),
                        }
                    }
                },
                width,
            })
            .collect();
        Self {
            pieces,
            fields: fields.into(),
            text: text.into(),
        }
    }

    /// The text from which the template was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The distinct fields, sorted by key, as `output_fields` has them.
    #[must_use]
    pub fn fields(&self) -> &[FieldRef<S>] {
        &self.fields
    }

    /// The values of [`Self::fields`] for an event, in that order. A field for conditions only is
    /// absent.
    #[must_use]
    pub fn values<'e>(&self, event: &'e S::Event<'e>) -> &'e [Value<'e>] {
        let mut values = BumpVec::with_capacity_in(self.fields.len(), S::arena(event));
        values.extend(self.fields.iter().map(|field| field.output(event)));
        values.into_bump_slice()
    }

    /// Appends the text for an event.
    pub fn render<'e>(&self, event: &'e S::Event<'e>, out: &mut impl Buffer) {
        self.render_values(self.values(event), event, out);
    }

    /// Appends the text for an event whose [`Self::values`] the caller has.
    pub fn render_values<'e>(
        &self,
        values: &[Value<'e>],
        event: &'e S::Event<'e>,
        out: &mut impl Buffer,
    ) {
        for piece in &self.pieces {
            let start = out.len();
            match &piece.content {
                Content::Literal(text) => out.append(text.as_bytes()),
                Content::Field(index) => match values.get(*index) {
                    Some(value) => value.write_text(out),
                    None => Value::Absent.write_text(out),
                },
                Content::Transformed(operand) => operand.get(event).write_text(out),
            }
            if let Some(width) = piece.width {
                fit(out, start, width);
            }
        }
    }
}

enum Part<S: Source> {
    Literal(Box<str>),
    Field(FieldRef<S>),
    Transformed(Operand<S>),
}

/// The width at the beginning of a text (0 is none), and its number of digits.
fn width(text: &str) -> Result<(Option<usize>, usize), ParseError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((None, 0));
    }
    if let Ok(width @ 0..=WIDTH_MAX) = text[..digits].parse() {
        return Ok(((width > 0).then_some(width), digits));
    }
    let message = format!("a width is at most {WIDTH_MAX}");
    Err(ParseError::new(1, message).width(digits))
}

/// Pads or cuts the text since `start` to `width` bytes, never in the middle of a character.
fn fit(out: &mut impl Buffer, start: usize, width: usize) {
    let end = start + width;
    if out.len() > end {
        let mut cut = end;
        while cut > start && out[cut] & 0xc0 == 0x80 {
            cut -= 1;
        }
        out.truncate(cut);
    }
    while out.len() < end {
        out.append_byte(b' ');
    }
}
