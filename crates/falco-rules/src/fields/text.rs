//! Values as text.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
};

use super::{Buffer, Value, buffer::Formatted, clock::write_time};

impl Value<'_> {
    /// Appends the value in the form of an output line; an absent value is `<NA>`.
    pub fn write_text(&self, out: &mut impl Buffer) {
        match *self {
            Self::Absent => out.append(b"<NA>"),
            Self::Bool(true) => out.append(b"true"),
            Self::Bool(false) => out.append(b"false"),
            Self::Int(number) => {
                if number < 0 {
                    out.append_byte(b'-');
                }
                write_digits(out, number.unsigned_abs());
            }
            Self::Uint(number) => write_digits(out, number),
            Self::Str(text) => out.append(text.as_bytes()),
            Self::Ip(IpAddr::V4(ip)) => write_ipv4(out, ip),
            Self::Ip(IpAddr::V6(ip)) => {
                // A write to a buffer cannot fail.
                let _ = write!(Formatted(out), "{ip}");
            }
            Self::Time(time, form) => write_time(out, time, form),
            Self::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.append_byte(b' ');
                    }
                    value.write_text(out);
                }
            }
        }
    }
}

/// Several times as fast as the library's formatting, and most addresses are of this kind.
fn write_ipv4(out: &mut impl Buffer, ip: Ipv4Addr) {
    let mut text = [b'.'; "255.255.255.255".len()];
    let mut at = 0;
    let mut add = |byte| {
        text[at] = byte;
        at += 1;
    };
    for (index, octet) in ip.octets().into_iter().enumerate() {
        if index > 0 {
            add(b'.');
        }
        if octet >= 100 {
            add(b'0' + octet / 100);
        }
        if octet >= 10 {
            add(b'0' + octet / 10 % 10);
        }
        add(b'0' + octet % 10);
    }
    out.append(&text[..at]);
}

pub(super) fn write_digits(out: &mut impl Buffer, mut number: u64) {
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
    out.append(&digits[at..]);
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

    #[test]
    fn an_ipv4_address_prints_as_the_library_prints_it() {
        for octet in 0..=255 {
            for octets in [[octet, 0, 99, 100], [7, octet, 255, 10], [1, 9, 200, octet]] {
                let ip = IpAddr::from(octets);
                check(Value::Ip(ip), &ip.to_string());
            }
        }
    }
}
