//! A recording that is cut is read up to the cut.

use std::fs;

use tests::recorder::{Recorder, replayed};

use crate::{RULES, execute};

#[test]
fn a_recording_that_is_cut_anywhere_gives_the_first_lines_of_the_whole_one() {
    let live = Recorder::start(RULES, &["sensor.kube.enabled=false"]);
    // A block is written about once a second.
    for _ in 0..4 {
        execute("cut", 40);
        std::thread::sleep(std::time::Duration::from_millis(800));
    }
    let recorded = live.stop();
    let bytes = fs::read(recorded.recording()).unwrap();
    let cut = recorded.path("cut.rec");
    let mut lengths = Vec::new();
    for part in 1..=24 {
        let end = bytes.len() * part / 24;
        fs::write(&cut, &bytes[..end]).unwrap();
        let output = replayed(&cut, RULES);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{end}: {log}");
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = lines.lines().collect();
        let expected = &recorded.lines[..lines.len()];
        assert_eq!(lines, expected, "{end}");
        lengths.push(lines.len());
    }
    assert_eq!(lengths.last(), Some(&recorded.lines.len()));
    assert!(lengths.is_sorted(), "{lengths:?}");
    lengths.dedup();
    assert!(lengths.len() >= 3, "more than one block: {lengths:?}");
}
