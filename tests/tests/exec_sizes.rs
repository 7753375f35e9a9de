//! Long command lines, also around 64 KiB, where the lengths in Falco's records overflow.

use tests::{Act, Scene};

/// Most bytes of one argument that the kernel takes, without its NUL.
const ARGUMENT_MAX: usize = 128 * 1024 - 1;
const LIMIT_DEFAULT: usize = 32 * 1024;
const LIMIT_MAX: usize = 256 * 1024;

/// An argv of `total` bytes with all NULs, in which no two parts are equal.
fn argv_of(total: usize) -> Vec<String> {
    let mut argv = vec!["tool".to_owned()];
    let mut left = total - "tool\0".len();
    while left > 0 {
        let len = (left - 1).min(ARGUMENT_MAX.min(40_000));
        let numbers = (0..=len / 7).map(|number| format!("{number:06}."));
        let mut argument = numbers.collect::<String>();
        argument.truncate(len);
        left -= len + 1;
        argv.push(argument);
    }
    assert_eq!(
        argv.iter()
            .map(|argument| argument.len() + 1)
            .sum::<usize>(),
        total
    );
    argv
}

/// Executes with an argv of that size; the sensor captures up to `limit` bytes.
fn check(total: usize, limit: Option<usize>) {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let argv = argv_of(total);
    let (seen, ..) = scene.act_under(Act::new().exec(tool, &argv), |setup| match limit {
        Some(limit) => setup.option("sensor.capture.argv_limit", limit),
        None => setup,
    });
    let event = seen.exec("tool");
    let whole = argv[1..].join(" ");
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    let expected = &whole[..whole.len().min(limit - "tool\0".len())];
    let got = event.text("proc.args");
    let same = got
        .bytes()
        .zip(expected.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    assert!(
        got == expected,
        "proc.args has {} bytes instead of {}, the first {same} are right",
        got.len(),
        expected.len()
    );
    assert_eq!(event.text("proc.cmdline"), format!("tool {expected}"));
}

#[test]
fn argv_of_4096_bytes_is_whole() {
    check(4096, None);
}

#[test]
fn argv_of_4097_bytes_is_whole() {
    check(4097, None);
}

#[test]
fn argv_of_exactly_the_limit_is_whole() {
    check(LIMIT_DEFAULT, None);
}

#[test]
fn argv_of_one_byte_more_than_the_limit_is_marked_as_truncated() {
    check(LIMIT_DEFAULT + 1, None);
}

#[test]
fn argv_of_65535_bytes_is_cut_at_the_default_limit() {
    check(65_535, None);
}

#[test]
fn argv_of_65536_bytes_is_cut_at_the_default_limit() {
    check(65_536, None);
}

#[test]
fn argv_of_131072_bytes_is_cut_at_the_default_limit() {
    check(131_072, None);
}

#[test]
fn argv_of_300000_bytes_is_cut_at_the_default_limit() {
    check(300_000, None);
}

#[test]
fn argv_of_65535_bytes_is_whole_with_the_largest_limit() {
    check(65_535, Some(LIMIT_MAX));
}

#[test]
fn argv_of_65536_bytes_is_whole_with_the_largest_limit() {
    check(65_536, Some(LIMIT_MAX));
}

#[test]
fn argv_of_131072_bytes_is_whole_with_the_largest_limit() {
    check(131_072, Some(LIMIT_MAX));
}

#[test]
fn argv_of_300000_bytes_is_cut_at_the_largest_limit() {
    check(300_000, Some(LIMIT_MAX));
}

#[test]
fn argv_is_cut_at_the_smallest_limit() {
    check(4096, Some(1024));
}
