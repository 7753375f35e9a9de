//! The arguments of plain system calls, as Falco shows them.

use bumpalo::{Bump, collections::String, format};
use sensor_ebpf::Form;

use super::{Value, class};
use crate::sources::syscall::event::CallEvent;

/// An argument by its name.
pub(super) fn argument<'a>(event: &CallEvent, name: &str, arena: &'a Bump) -> Value<'a> {
    let mut arguments = event.call.arguments.iter();
    match arguments.find(|argument| argument.name == name) {
        Some(argument) => {
            let value = value(event, argument.register);
            Value::Str(text(argument.form, value, arena))
        }
        None => Value::Absent,
    }
}

/// The descriptor among the call's arguments.
pub(super) fn descriptor(event: &CallEvent) -> Option<i64> {
    let register = class::descriptor(event.call)?;
    Some(signed(value(event, register)).into())
}

/// An argument as the caller's register held it.
fn value(event: &CallEvent, register: usize) -> u64 {
    let argument = event.fixed.arguments.get(register);
    argument.copied().unwrap_or_default()
}

/// The lower 32 bits: the kernel ignores the other bits of an `int`.
#[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
fn low(value: u64) -> u32 {
    value as u32
}

fn signed(value: u64) -> i32 {
    low(value).cast_signed()
}

/// A value as text.
fn text(form: Form, value: u64, arena: &Bump) -> &str {
    let text = match form {
        Form::Descriptor | Form::Number => format!(in arena, "{}", signed(value)),
        Form::Address => format!(in arena, "{:X}", value),
        Form::Choice(choices) => {
            let named = choices.names.iter().find(|(number, _)| *number == value);
            if let Some(name) = named.map(|(_, name)| *name).or(choices.unknown) {
                return name;
            }
            format!(in arena, "{}", value)
        }
        Form::Flags(flags) => {
            let value = low(value);
            let set = flags.iter().filter(|flag| value & flag.bits == flag.bits);
            let mut names = String::new_in(arena);
            for flag in set {
                if !names.is_empty() {
                    names.push('|');
                }
                names.push_str(flag.name);
            }
            if names.is_empty() {
                return "0";
            }
            names
        }
    };
    text.into_bump_str()
}

#[cfg(test)]
mod tests {
    use sensor_ebpf::flags::{CLONE_FLAGS, Choices};

    use super::*;

    fn shown(form: Form, value: u64) -> std::string::String {
        text(form, value, &Bump::new()).to_owned()
    }

    #[test]
    fn numbers_are_signed_and_have_32_bits() {
        assert_eq!(shown(Form::Descriptor, 987), "987");
        assert_eq!(shown(Form::Number, 0xffff_ffff), "-1");
        assert_eq!(shown(Form::Number, 7 << 32 | 5), "5");
    }

    #[test]
    fn addresses_are_hexadecimal_and_whole() {
        assert_eq!(shown(Form::Address, 0), "0");
        assert_eq!(shown(Form::Address, 0x7ffd_1234_abcd), "7FFD1234ABCD");
    }

    #[test]
    fn bits_have_names_in_the_order_of_the_table() {
        let flags = |value| shown(Form::Flags(CLONE_FLAGS), value);
        assert_eq!(flags(0x2002_0000), "CLONE_NEWNS|CLONE_NEWPID");
        assert_eq!(flags(0x0400_0000), "CLONE_NEWUTS");
        assert_eq!(flags(0), "0");
        assert_eq!(flags(1), "0");
        assert_eq!(flags(1 << 32 | 0x80), "CLONE_NEWTIME");
    }

    #[test]
    fn the_table_decides_how_a_number_without_a_name_is_shown() {
        const NAMED: Choices = Choices {
            names: &[(16, "ATTACH")],
            unknown: Some("UNKNOWN"),
        };
        const BARE: Choices = Choices {
            unknown: None,
            ..NAMED
        };
        assert_eq!(shown(Form::Choice(&NAMED), 16), "ATTACH");
        assert_eq!(shown(Form::Choice(&NAMED), 17), "UNKNOWN");
        assert_eq!(shown(Form::Choice(&NAMED), 1 << 32 | 16), "UNKNOWN");
        assert_eq!(shown(Form::Choice(&BARE), 9999), "9999");
    }
}
