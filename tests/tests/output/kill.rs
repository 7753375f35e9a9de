//! SIGKILL in the middle of a write, and how the next run continues the file.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use config::ByteSize;

use super::support::{Bench, file_config, files, read};

/// Not a test: the process that is killed. It continues the numbers in the files.
#[test]
#[ignore = "started by the tests of this module"]
fn writer_process() {
    let Some(dir) = std::env::var_os("SENSOR_TEST_DIR") else {
        return;
    };
    let dir = Path::new(&dir);
    let mut config = file_config(dir);
    config.sensor.file_output.rotate.size = ByteSize::kib(512);
    config.sensor.file_output.rotate.keep = 0;
    // The queue has room for a whole round: on a busy machine the writer may get no CPU for that
    // long, and this test is not about a full queue.
    config.sensor.file_output.spool.memory = ByteSize::mib(8);
    config.sensor.file_output.spool.directory = Some(dir.join("spool"));
    let first = std::env::var("SENSOR_TEST_FIRST").unwrap().parse().unwrap();
    let mut bench = Bench::start(&config);
    bench.next = first;
    bench.storm(20_000, Duration::from_mins(1));
}

fn start(dir: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "output::kill::writer_process",
            "--ignored",
            "--nocapture",
        ])
        .env("SENSOR_TEST_DIR", dir)
        .env("SENSOR_TEST_FIRST", first.to_string())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

/// The numbers of a round begin at a multiple of this number.
const STEP: u64 = 1_000_000;

#[test]
fn after_a_kill_every_line_is_whole_none_is_there_twice_and_the_gap_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..5_u64 {
        let mut child = start(dir.path(), round * STEP);
        std::thread::sleep(Duration::from_millis(700 + 37 * round));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
    // The last run ends in order, and completes the line that the run before has cut.
    let mut config = file_config(dir.path());
    config.sensor.file_output.spool.directory = Some(dir.path().join("spool"));
    Bench::start(&config).stop();
    let content = read(&files(dir.path()));
    content.missing(6 * STEP);
    for round in 0..5 {
        let of_round: Vec<u64> = content
            .numbers
            .iter()
            .copied()
            .filter(|n| n / STEP == round)
            .collect();
        assert!(of_round.len() > 100, "round {round}: {}", of_round.len());
        // A line that was cut behind its number counts.
        assert_eq!(of_round[0], round * STEP);
        assert_eq!(of_round.last().unwrap() % STEP + 1, of_round.len() as u64);
    }
    let starts: Vec<_> = content
        .own
        .iter()
        .filter(|r| r["rule"] == "Sensor internal: start")
        .collect();
    assert_eq!(starts.len(), 6);
    for start in &starts[1..] {
        let fields = &start["output_fields"];
        assert_eq!(fields["sensor.previous.clean"], false);
        assert!(
            fields["sensor.previous.down_seconds"].as_f64().is_some(),
            "{fields}"
        );
        assert!(fields["sensor.previous.last_time"].is_string());
    }
    let left = fs::read_dir(dir.path().join("spool")).unwrap().count();
    assert_eq!(left, 0, "the spool is empty");
}
