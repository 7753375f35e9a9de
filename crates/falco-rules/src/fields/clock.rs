//! Times as text, without allocating.

use std::{cell::Cell, sync::Once};

use super::{Buffer, TimeForm, text::write_digits};

const NANOS: u64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Appends a time (nanoseconds since the epoch) in one of its forms.
pub fn write_time<B: Buffer>(out: &mut B, time: u64, form: TimeForm) {
    let seconds = i64::try_from(time / NANOS).unwrap_or(i64::MAX);
    let nanos = time % NANOS;
    let local = match form {
        TimeForm::Raw => {
            write_digits(out, time);
            return;
        }
        TimeForm::Iso8601 => seconds,
        _ => seconds + offset_to_local(seconds, ask_for_offset),
    };
    let date = |out: &mut B| {
        let (year, month, day) = civil(local.div_euclid(DAY));
        digits(out, year, 4);
        out.append_byte(b'-');
        digits(out, month, 2);
        out.append_byte(b'-');
        digits(out, day, 2);
    };
    let clock = |out: &mut B| {
        let second = local.rem_euclid(DAY);
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        digits(out, h, 2);
        out.append_byte(b':');
        digits(out, m, 2);
        out.append_byte(b':');
        digits(out, s, 2);
    };
    let fraction = |out: &mut B| {
        out.append_byte(b'.');
        digits(out, i64::try_from(nanos).unwrap_or(0), 9);
    };
    match form {
        TimeForm::Clock => {
            clock(out);
            fraction(out);
        }
        TimeForm::ClockSeconds => clock(out),
        TimeForm::Iso8601 => {
            date(out);
            out.append_byte(b'T');
            clock(out);
            fraction(out);
            out.append(b"+0000");
        }
        TimeForm::DateTime | TimeForm::DateTimeSeconds => {
            date(out);
            out.append_byte(b' ');
            clock(out);
            if form == TimeForm::DateTime {
                fraction(out);
            }
        }
        TimeForm::Raw => {}
    }
}

/// Appends the last `width` (at most 9) digits of a number that is not negative. Each line has two
/// times, and `write!` would be slow here.
fn digits(out: &mut impl Buffer, number: i64, width: usize) {
    let mut text = [b'0'; 9];
    let mut rest = number.unsigned_abs();
    for digit in text[..width].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    out.append(&text[..width]);
}

/// Year, month and day of a number of days since the epoch (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 {
        month_shifted + 3
    } else {
        month_shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Seconds to add for local time. Time zones change only at quarters of an hour, so the answer of
/// the C library stays valid until the next one.
fn offset_to_local(seconds: i64, ask: impl FnOnce(i64) -> i64) -> i64 {
    const QUARTER: i64 = 900;
    thread_local! {
        static LAST: Cell<(i64, i64)> = const { Cell::new((i64::MIN, 0)) };
    }
    let quarter = seconds.div_euclid(QUARTER);
    LAST.with(|last| {
        let (known, offset) = last.get();
        if known == quarter {
            return offset;
        }
        let offset = ask(seconds);
        last.set((quarter, offset));
        offset
    })
}

fn ask_for_offset(seconds: i64) -> i64 {
    unsafe extern "C" {
        fn tzset();
    }
    static ZONE: Once = Once::new();
    // SAFETY: `tzset` takes no arguments; it reads the environment, which nothing changes.
    ZONE.call_once(|| unsafe { tzset() });
    // SAFETY: `tm` consists of integers and one pointer: all zeroes is a value of it.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    let seconds: libc::time_t = seconds;
    // SAFETY: both pointers are valid for the call, which keeps neither.
    let done = unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    if done.is_null() { 0 } else { tm.tm_gmtoff }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(time: u64, form: TimeForm) -> String {
        let mut out = Vec::new();
        write_time(&mut out, time, form);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn iso8601_is_utc_with_nine_digits() {
        assert_eq!(
            text(1_795_233_338_582_871_057, TimeForm::Iso8601),
            "2026-11-21T03:55:38.582871057+0000"
        );
        assert_eq!(
            text(951_782_400_000_000_001, TimeForm::Iso8601),
            "2000-02-29T00:00:00.000000001+0000"
        );
        assert_eq!(
            text(0, TimeForm::Iso8601),
            "1970-01-01T00:00:00.000000000+0000"
        );
    }

    #[test]
    fn raw_time_is_the_number() {
        assert_eq!(
            text(1_795_233_338_582_871_057, TimeForm::Raw),
            "1795233338582871057"
        );
    }

    #[test]
    fn the_other_forms_have_their_shapes() {
        let time = 1_795_233_338_582_871_057;
        assert!(text(time, TimeForm::Clock).ends_with(":38.582871057"));
        assert_eq!(text(time, TimeForm::ClockSeconds).len(), 8);
        assert_eq!(text(time, TimeForm::DateTime).len(), 29);
        assert_eq!(text(time, TimeForm::DateTimeSeconds).len(), 19);
    }

    #[test]
    fn the_zone_is_asked_once_in_a_quarter_of_an_hour() {
        assert_eq!(offset_to_local(1_800, |_| 3_600), 3_600);
        assert_eq!(offset_to_local(2_699, |_| 7_200), 3_600);
        assert_eq!(offset_to_local(2_700, |_| 7_200), 7_200);
    }

    #[test]
    fn the_latest_time_does_not_overflow() {
        assert!(!text(u64::MAX, TimeForm::DateTime).is_empty());
    }
}
