//! Any bytes are a passwd or group file; a name from it is printable and belongs to the number that
//! the target asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metadata::foreign::name_of;

fuzz_target!(|bytes: &[u8]| {
    for number in [0, 1, 1000, u32::MAX] {
        let Some(name) = name_of(bytes, number) else {
            continue;
        };
        assert!(!name.is_empty() && !name.chars().any(char::is_control));
        let digits = number.to_string();
        // Leading zeros and a plus sign are numbers too.
        let digits = digits.as_bytes();
        assert!(bytes.windows(digits.len()).any(|piece| piece == digits));
    }
});
