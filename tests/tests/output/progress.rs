//! Progress: when a producer may forget its lines.

use std::{path::Path, time::Duration};

use outputs::{DropCause, Progress};

use super::{
    http::{Manner, Sidekick},
    support::{Bench, eventually, file_config, files, read},
};

impl Bench {
    /// Adds one line at a position, and hands it out.
    fn line_at(&mut self, position: u64, progress: &Progress) {
        self.line();
        progress.reached(position);
        self.outputs.flush();
    }
}

/// Waits until a position is done.
fn done(progress: &Progress, position: u64) {
    eventually("done", || progress.done() == Some(position));
}

/// How many lines are in the log.
fn written(directory: &Path) -> usize {
    read(&files(directory)).numbers.len()
}

/// A pause in which a wrong behaviour would show.
fn wait() {
    std::thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_position_is_done_when_its_lines_are_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(&file_config(dir.path()));
    let progress = bench.outputs.track();
    for position in 1..=20 {
        bench.line_at(100 * position, &progress);
        done(&progress, 100 * position);
        assert_eq!(written(dir.path()) as u64, position);
    }
    bench.stop();
}

#[test]
fn a_position_without_lines_is_done_after_those_before_it() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Status(500));
    let mut bench = Bench::start(&sidekick.config());
    let progress = bench.outputs.track();
    bench.line_at(1, &progress);
    progress.reached(2);
    bench.outputs.flush();
    wait();
    assert_eq!(progress.done(), None);
    sidekick.be(Manner::Good);
    done(&progress, 2);
    progress.reached(3);
    bench.outputs.flush();
    assert_eq!(progress.done(), Some(3));
    bench.stop();
}

#[test]
fn a_position_is_done_when_a_server_that_failed_has_taken_its_lines() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Status(500));
    let dir = tempfile::tempdir().unwrap();
    let mut config = file_config(dir.path());
    config.http_output = sidekick.config().http_output;
    config.sensor.http_output = sidekick.config().sensor.http_output;
    let mut bench = Bench::start(&config);
    let progress = bench.outputs.track();
    bench.line_at(1, &progress);
    bench.line_at(2, &progress);
    eventually("file", || bench.counts("file").written == 2);
    wait();
    assert_eq!(progress.done(), None, "the server has not taken them");
    sidekick.be(Manner::Good);
    done(&progress, 2);
    assert_eq!(bench.counts("http").written, 2);
    bench.stop();
}

#[test]
fn dropped_lines_are_done_and_not_before_those_that_wait() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Status(500));
    let mut config = sidekick.config();
    config.outputs_queue.capacity = 1;
    let mut bench = Bench::start(&config);
    let progress = bench.outputs.track();
    bench.line_at(1, &progress);
    for position in 2..=100 {
        bench.line_at(position, &progress);
    }
    assert!(bench.counts("http").dropped[DropCause::Full as usize] >= 90);
    assert_eq!(progress.done(), None);
    sidekick.be(Manner::Status(400));
    done(&progress, 100);
    let counts = bench.stop();
    assert!(counts.balanced() && counts.written == 0, "{counts:?}");
}

#[test]
fn a_position_is_done_when_the_outputs_before_a_reload_and_those_after_it_are() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Status(500));
    let mut config = sidekick.config();
    config.sensor.stop_deadline = "60s".parse().unwrap();
    let mut bench = Bench::start(&config);
    let progress = bench.outputs.track();
    bench.line_at(1, &progress);
    let dir = tempfile::tempdir().unwrap();
    bench.change(&file_config(dir.path())).unwrap();
    bench.line_at(2, &progress);
    eventually("file", || bench.counts("file").written == 1);
    wait();
    assert_eq!(progress.done(), None, "the former output is not done");
    sidekick.be(Manner::Good);
    done(&progress, 2);
    bench.stop();
}

#[test]
fn lines_that_are_given_up_at_the_stop_are_done() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Status(500));
    let mut bench = Bench::start(&sidekick.config());
    let progress = bench.outputs.track();
    bench.line_at(1, &progress);
    wait();
    assert_eq!(progress.done(), None);
    let counts = bench.stop_within(Duration::from_millis(100));
    assert_eq!(counts.dropped[DropCause::Stopped as usize], 1);
    assert_eq!(progress.done(), Some(1));
}

#[test]
fn lines_that_are_spooled_to_the_disk_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = file_config(&dir.path().join("log"));
    config.sensor.file_output.spool.directory = Some(dir.path().join("spool"));
    let mut bench = Bench::start(&config);
    // No file can be made below a path that is no directory any more.
    bench.lines(1);
    bench.settle("file");
    std::fs::remove_dir_all(dir.path().join("log")).unwrap();
    std::fs::write(dir.path().join("log"), "").unwrap();
    let progress = bench.outputs.track();
    eventually("failure", || {
        bench.outputs.control().reopen();
        let accounts = bench.outputs.control().accounts();
        !accounts[0]
            .1
            .healthy
            .load(std::sync::atomic::Ordering::Relaxed)
    });
    bench.line_at(1, &progress);
    let counts = bench.stop_within(Duration::from_millis(100));
    assert_eq!((counts.spooled, counts.dropped_total()), (1, 0));
    assert_eq!(progress.done(), Some(1));
}
