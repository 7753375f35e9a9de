//! The system log, at a `/dev/log` of a mount namespace of its own.

use std::{os::unix::net::UnixDatagram, path::Path, time::Duration};

use config::Config;
use outputs::DropCause;
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::support::Bench;

pub(super) const SOCKET: &str = "/dev/log";

/// Runs a test in a mount namespace of its own, in which `/dev` is empty.
pub(super) fn in_own_mounts(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        // SAFETY: no descriptors are unshared; the threads that this one starts
        // share its mounts.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        mount("tmpfs", "/dev", "tmpfs", MountFlags::empty(), None).unwrap();
        run();
    });
    thread.join().unwrap();
}

fn config() -> Config {
    let mut config = Config::default();
    config.stdout_output.enabled = false;
    config.syslog_output.enabled = true;
    config
}

pub(super) fn listen() -> UnixDatagram {
    let socket = UnixDatagram::bind(SOCKET).unwrap();
    let patience = Some(Duration::from_secs(10));
    socket.set_read_timeout(patience).unwrap();
    socket
}

pub(super) fn receive(socket: &UnixDatagram) -> String {
    let mut message = vec![0; 4096];
    let length = socket.recv(&mut message).unwrap();
    message.truncate(length);
    String::from_utf8(message).unwrap()
}

#[test]
fn each_line_is_a_datagram_with_facility_severity_and_name() {
    in_own_mounts(|| {
        let log = listen();
        let mut bench = Bench::start(&config());
        bench.lines(2);
        for number in 0..2 {
            let message = receive(&log);
            // Facility user (1), severity debug (7).
            assert!(message.starts_with("<15>"), "{message}");
            let (_, line) = message.split_once(" falco: ").unwrap();
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["output_fields"]["evt.num"], number);
        }
        let counts = bench.settle("syslog");
        assert_eq!((counts.written, counts.dropped_total()), (2, 0));
        bench.stop();
    });
}

#[test]
fn a_log_daemon_that_is_restarted_gets_the_lines_that_came_meanwhile() {
    in_own_mounts(|| {
        let log = listen();
        let mut bench = Bench::start(&config());
        bench.lines(1);
        receive(&log);
        drop(log);
        std::fs::remove_file(SOCKET).unwrap();
        bench.lines(1);
        std::thread::sleep(Duration::from_millis(100));
        let log = listen();
        assert!(receive(&log).contains("\"evt.num\":1"));
        let counts = bench.settle("syslog");
        assert_eq!((counts.written, counts.dropped_total()), (2, 0));
        bench.stop();
    });
}

#[test]
fn a_line_that_no_datagram_holds_is_counted_and_the_next_one_goes_on() {
    in_own_mounts(|| {
        let log = listen();
        let mut bench = Bench::start(&config());
        let huge = format!("{{\"a\":\"{}\"}}\n", "x".repeat(1 << 20));
        bench.add(&huge);
        bench.lines(1);
        assert!(receive(&log).contains("\"evt.num\":0"));
        let counts = bench.settle("syslog");
        assert_eq!(counts.dropped[DropCause::Rejected as usize], 1);
        assert_eq!(counts.written, 1);
        bench.stop();
    });
}

#[test]
fn without_a_log_daemon_lines_are_dropped_and_counted_until_there_is_one() {
    in_own_mounts(|| {
        assert!(!Path::new(SOCKET).exists());
        let mut bench = Bench::start(&config());
        bench.lines(1);
        let counts = bench.settle("syslog");
        assert_eq!(counts.dropped[DropCause::Undelivered as usize], 1);
        let log = listen();
        bench.lines(1);
        assert!(receive(&log).contains("\"evt.num\":1"));
        assert_eq!(bench.settle("syslog").written, 1);
        bench.stop();
    });
}

#[test]
fn lines_have_the_name_that_is_configured() {
    in_own_mounts(|| {
        let log = listen();
        let mut config = config();
        config.sensor.syslog.ident = "other".into();
        let mut bench = Bench::start(&config);
        bench.lines(1);
        assert!(receive(&log).contains(" other: {"));
        bench.stop();
    });
}
