//! Values as text.

use std::io::Write as _;

use super::{Value, clock::write_time};

impl Value<'_> {
    /// Appends the value as it stands in an output line; an absent one is `<NA>`.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Absent => out.extend_from_slice(b"<NA>"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Int(number) => {
                if number < 0 {
                    out.push(b'-');
                }
                write_digits(out, number.unsigned_abs());
            }
            Self::Uint(number) => write_digits(out, number),
            Self::Str(text) => out.extend_from_slice(text.as_bytes()),
            Self::Ip(ip) => {
                let _ = write!(out, "{ip}");
            }
            Self::Time(time, form) => write_time(out, time, form),
            Self::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(b' ');
                    }
                    value.write_text(out);
                }
            }
        }
    }
}

fn write_digits(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value<'_>, expected: &str) {
        let mut out = Vec::new();
        value.write_text(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn each_kind_of_value_prints_as_falco_prints_it() {
        check(Value::Absent, "<NA>");
        check(Value::Bool(true), "true");
        check(Value::Bool(false), "false");
        check(Value::Int(-1), "-1");
        check(Value::Int(i64::MIN), "-9223372036854775808");
        check(Value::Uint(0), "0");
        check(Value::Uint(u64::MAX), "18446744073709551615");
        check(Value::Str(""), "");
        check(Value::Ip([127, 0, 0, 1].into()), "127.0.0.1");
        check(Value::List(&[Value::Str("a"), Value::Str("b")]), "a b");
        check(Value::List(&[]), "");
    }
}
