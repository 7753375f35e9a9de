//! Observers that attach, that say nothing, and that do not read.

use std::{
    io::{BufRead as _, Read as _},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use config::Config;
use events::EventSource as _;
use telemetry::{Identity, Telemetry};

use super::*;
use crate::sources::syscall::{
    SystemCalls,
    recording::{Frame, Reader, Taps},
};

/// A door, and the capture thread's side of it.
struct Open {
    _door: Observers,
    path: PathBuf,
    taps: Taps,
    _directory: tempfile::TempDir,
}

fn open() -> Open {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("observers.sock");
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default()))));
    let ledger = Arc::new(SystemCalls::ledger());
    let (door, mut taps) = Taps::new(None).unwrap();
    taps.captures(Kinds::NONE.with(Kind::Exec));
    let door = Observers::listen(&path, &telemetry, &ledger, door).unwrap();
    Open {
        _door: door,
        path,
        taps,
        _directory: directory,
    }
}

impl Open {
    /// Waits until the recorders have changed, and returns what they want then.
    fn changed(&mut self) -> Watched {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(watched) = self.taps.update() {
                return watched;
            }
            assert!(Instant::now() < until, "nobody has come or gone");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn execs_of_the_host() -> WantedEvents {
    WantedEvents {
        host: vec!["exec".into(), "a kind of a later sensor".into()],
        ..WantedEvents::default()
    }
}

/// The frames of the blocks that have come until one is what a test waits for.
fn wait_for(reader: &mut Reader<UnixStream>, is_it: impl Fn(&Frame<'_>) -> bool) {
    loop {
        let mut rest = reader.block().unwrap().expect("the recording goes on");
        while let Some(frame) = Frame::read(&mut rest).unwrap() {
            if is_it(&frame) {
                return;
            }
        }
    }
}

#[test]
fn an_observer_hears_what_is_captured_and_gets_a_recording() {
    let mut open = open();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&open.path).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let (captured, stream) = attach(&open.path, execs_of_the_host()).unwrap();
    assert_eq!(captured.captured, ["exec"]);
    assert!(captured.not_captured.contains(&"connect".to_owned()));
    let watched = open.changed();
    assert_eq!(watched.reach.host, Kinds::NONE.with(Kind::Exec));
    assert_eq!(watched.reach.container, Kinds::NONE);
    open.taps.finish();
    let mut reader = Reader::new(stream).unwrap();
    assert!(reader.block().unwrap().is_some());
    assert!(reader.block().unwrap().is_none());
    let path = open.path.clone();
    drop(open);
    assert!(!path.exists());
}

#[test]
fn an_observer_hears_of_other_kinds_after_a_reload() {
    let mut open = open();
    let (_, stream) = attach(&open.path, execs_of_the_host()).unwrap();
    open.changed();
    let mut reader = Reader::new(stream).unwrap();
    open.taps.captures(Kinds::ALL);
    std::thread::sleep(crate::sources::syscall::recording::Pace::WATCHED.age());
    open.taps.flush();
    wait_for(
        &mut reader,
        |frame| matches!(frame, Frame::Captured(now) if now.not_captured.is_empty()),
    );
    let (captured, _) = attach(&open.path, execs_of_the_host()).unwrap();
    assert_eq!(captured.not_captured, [""; 0]);
}

#[test]
fn when_an_observer_goes_nobody_wants_more_than_the_rules() {
    let mut open = open();
    let attached = attach(&open.path, execs_of_the_host()).unwrap();
    assert_ne!(open.changed(), Watched::default());
    drop(attached);
    assert_eq!(open.changed(), Watched::default());
    assert!(!open.taps.is_observed());
}

#[test]
fn an_observer_of_another_version_is_refused_with_the_reason() {
    let open = open();
    let mut stream = UnixStream::connect(&open.path).unwrap();
    stream.write_all(b"{\"version\":9}\n").unwrap();
    let why = hear(&stream).unwrap().error.unwrap();
    assert_eq!(why, "this sensor speaks version 1, and not 9");
}

#[test]
fn of_a_hundred_observers_all_but_sixteen_are_refused_with_the_reason() {
    let open = open();
    let tried: Vec<_> = (0..100)
        .map(|_| attach(&open.path, WantedEvents::default()))
        .collect();
    let refused = tried.iter().filter_map(|tried| tried.as_ref().err());
    let reasons: Vec<_> = refused.map(ToString::to_string).collect();
    assert_eq!(reasons.len(), 100 - MOST);
    for why in reasons {
        assert_eq!(why, "the sensor refuses: 16 observers watch already");
    }
}

#[test]
fn somebody_who_does_not_greet_is_answered() {
    let open = open();
    let mut stream = UnixStream::connect(&open.path).unwrap();
    stream.write_all(b"GET / HTTP/1.1\n").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.contains("no greeting"), "{answer}");
    let mut endless = UnixStream::connect(&open.path).unwrap();
    endless.write_all(&[b'x'; GREETING_MAX + 1]).unwrap();
    let mut answer = String::new();
    // The rest of what this side has sent is lost.
    let _ = endless.read_to_string(&mut answer);
    assert!(answer.contains("more than 4096 bytes"), "{answer}");
}
