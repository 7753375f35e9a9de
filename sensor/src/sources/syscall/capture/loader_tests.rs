//! Tests of the eBPF programs on this kernel.

use std::{
    iter,
    process::{Command, Stdio},
    ptr::null,
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
};

use rustix::thread::gettid;
use sensor_ebpf::{Counter, Kind, Kinds};

use super::{
    BPF_OBJECT, Budget, Capture, CaptureError, CaptureRequest, HookMode, Options, Reach, Started,
    TreeMode,
};
use crate::sources::syscall::event::Event;

#[test]
fn an_exec_of_a_child_arrives_with_argv_exe_and_cwd() {
    exec_arrives(true);
}

#[test]
fn an_exec_arrives_where_the_verifier_follows_no_types() {
    exec_arrives(false);
}

fn exec_arrives(typed: bool) {
    let options = Options {
        typed,
        tree: TreeMode::Only(std::process::id()),
        ..Options::default()
    };
    let Started {
        capture: _capture,
        mut ring,
        counts,
        ..
    } = Capture::start(&options, &CaptureRequest::default()).expect("the programs run");
    let dir = tempfile::tempdir().expect("a directory");
    let child = Command::new("/bin/ls")
        .args(["-d", "two words", ""])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ls runs");
    let pid = child.id();
    child.wait_with_output().expect("ls ends");
    let mut found = false;
    ring.drain(10_000, |bytes| {
        let event = Event::decode(bytes).expect("a whole record");
        if event.task.tgid != pid {
            return;
        }
        found = true;
        let exec = event.exec().expect("an exec");
        let argv: Vec<_> = exec.argv.iter().collect();
        assert_eq!(argv, [b"/bin/ls".as_slice(), b"-d", b"two words", b""]);
        let mut path = Vec::new();
        exec.cwd.write_path(&mut path);
        assert_eq!(path, dir.path().as_os_str().as_encoded_bytes());
        path.clear();
        exec.exe.write_path(&mut path);
        assert!(path.ends_with(b"/bin/ls"));
        assert_eq!(exec.filename, b"/bin/ls");
        assert_eq!(event.task.ppid, std::process::id());
        assert_eq!(
            event.ancestors().next().map(|a| a.tgid),
            Some(std::process::id())
        );
    });
    assert!(found);
    assert!(counts.get(Kind::Exec, Counter::Written) >= 1);
}

fn failed_exec_arrives(hooks: HookMode) {
    let options = Options {
        tree: TreeMode::Only(std::process::id()),
        hooks,
        ..Options::default()
    };
    let request = CaptureRequest {
        reach: Reach::everywhere(Kinds::NONE.with(Kind::Exec).with(Kind::ExecFailed)),
        ..CaptureRequest::default()
    };
    let Started {
        capture,
        mut ring,
        counts,
        ..
    } = Capture::start(&options, &request).expect("the programs run");
    assert_eq!(capture.mode(), hooks);
    // Tests run in parallel in one process, so each needs a name of its own.
    let program = format!("/nonexistent/{hooks:?}");
    Command::new(&program)
        .args(["one", "", "three"])
        .spawn()
        .expect_err("there is no such file");
    let mut found = 0;
    ring.drain(10_000, |bytes| {
        let event = Event::decode(bytes).expect("a whole record");
        let Some(exec) = event.exec().filter(|_| event.kind == Kind::ExecFailed) else {
            return;
        };
        if exec.filename != program.as_bytes() {
            return;
        }
        found += 1;
        assert_eq!(exec.fixed.result, -2);
        let argv: Vec<_> = exec.argv.iter().collect();
        assert_eq!(argv, [program.as_bytes(), b"one", b"", b"three"]);
    });
    assert_eq!(found, 1);
    assert!(counts.get(Kind::ExecFailed, Counter::Written) >= 1);
}

#[test]
fn a_failed_exec_arrives_through_perf_tracepoints() {
    failed_exec_arrives(HookMode::Perf);
}

#[test]
fn a_failed_exec_arrives_through_the_raw_tracepoint() {
    failed_exec_arrives(HookMode::Raw);
}

fn connects(hooks: HookMode) -> Vec<(crate::sources::syscall::event::Connect, Vec<u8>)> {
    let options = Options {
        tree: TreeMode::Only(std::process::id()),
        hooks,
        ..Options::default()
    };
    let request = CaptureRequest {
        reach: Reach::everywhere(Kinds::NONE.with(Kind::Exec).with(Kind::Connect)),
        ..CaptureRequest::default()
    };
    let Started {
        capture: _capture,
        mut ring,
        ..
    } = Capture::start(&options, &request).expect("the programs run");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let stream = std::net::TcpStream::connect(address).expect("it listens");
    let endpoints = (stream.local_addr().expect("bound").port(), address.port());
    drop((stream, listener));
    std::net::TcpStream::connect(address).expect_err("nobody listens any more");
    let path = format!("/nonexistent/{hooks:?}.sock");
    std::os::unix::net::UnixStream::connect(&path).expect_err("no such path");
    let mut out = Vec::new();
    let me = std::process::id();
    ring.drain(10_000, |bytes| {
        let event = Event::decode(bytes).expect("a whole record");
        if let Some(connect) = event.connect()
            && event.task.tgid == me
            && (connect.fixed.given_port == endpoints.1
                || connect.path.starts_with(path.as_bytes()))
        {
            out.push((connect.fixed, connect.path.to_vec()));
        }
    });
    assert_eq!(out.len(), 3, "{out:?}");
    assert_eq!(
        (out[0].0.local_port, out[0].0.remote_port),
        endpoints,
        "{:?}",
        out[0].0
    );
    out
}

fn connects_arrive(hooks: HookMode) {
    let seen = connects(hooks);
    let local = [127, 0, 0, 1];
    assert_eq!(seen[0].0.result, 0);
    assert_eq!(
        (&seen[0].0.remote[..4], &seen[0].0.local[..4]),
        (&local[..], &local[..])
    );
    assert_eq!(seen[1].0.result, i64::from(-libc::ECONNREFUSED));
    assert_eq!(&seen[1].0.remote[..4], local);
    assert_eq!(seen[1].0.remote_port, seen[0].0.remote_port);
    assert_ne!(
        seen[1].0.flags & sensor_ebpf::connect_flag::REMOTE_FROM_KERNEL,
        0
    );
    assert_eq!(seen[2].0.result, i64::from(-libc::ENOENT));
}

/// Starts the kernel side with backups, which this kernel may not need.
fn with_backups(hooks: HookMode) -> Started {
    let options = Options {
        tree: TreeMode::Only(std::process::id()),
        hooks,
        backups: Some(sensor_ebpf::preempted::TRACEPOINTS | sensor_ebpf::preempted::FUNCTIONS),
        ..Options::default()
    };
    let request = CaptureRequest {
        reach: Reach::everywhere(Kinds::ALL),
        ..CaptureRequest::default()
    };
    Capture::start(&options, &request).expect("the programs run")
}

/// A thread that makes as many failing connects as the test asks for.
struct Connecting {
    tid: u32,
    count: Sender<usize>,
    thread: JoinHandle<()>,
}

impl Connecting {
    fn new() -> Self {
        let ((send_tid, tid), (count, counts)) = (channel(), channel());
        let thread = thread::spawn(move || {
            send_tid
                .send(gettid().as_raw_nonzero().get().cast_unsigned())
                .expect("it is waited for");
            for _ in 0..counts.recv().unwrap_or(0) {
                // SAFETY: the call gets neither a valid descriptor nor an address.
                unsafe { libc::connect(-1, null(), 0) };
            }
        });
        let tid = tid.recv().expect("the thread runs");
        Self { tid, count, thread }
    }
}

#[test]
fn each_event_of_threads_with_similar_ids_arrives_once() {
    const EACH: usize = 2000;
    // Not by perf's tracepoints, since system calls of other tests on maps make the kernel skip
    // programs there.
    let mut started = with_backups(HookMode::Raw);
    let first = Connecting::new();
    // The kernel gives out ids in turn, so one of the threads has an id with the same last bits.
    let alike = |thread: &Connecting| thread.tid % 1024 == first.tid % 1024;
    let second = iter::repeat_with(Connecting::new).find(alike);
    let threads = [first, second.expect("it is repeated for ever")];
    let tids = threads.each_ref().map(|thread| thread.tid);
    for Connecting { count, .. } in &threads {
        count.send(EACH).expect("the thread waits");
    }
    for Connecting { thread, .. } in threads {
        thread.join().expect("the thread ends");
    }
    let mut seen = [0; 2];
    started.ring.drain(100_000, |bytes| {
        let event = Event::decode(bytes).expect("a whole record");
        for (seen, tid) in seen.iter_mut().zip(tids) {
            *seen += usize::from(event.task.tid == tid);
        }
    });
    assert_eq!(seen, [EACH; 2]);
}

#[test]
fn a_mode_that_is_refused_half_way_leaves_no_hook() {
    // An object without the program for connects, which the sensor attaches after that for execs.
    let (name, other) = (b"exit_connect\0", b"exit_xonnect\0");
    let mut object = BPF_OBJECT.to_vec();
    for at in memchr::memmem::find_iter(BPF_OBJECT, name) {
        object[at..at + name.len()].copy_from_slice(other);
    }
    let options = Options {
        tree: TreeMode::Only(std::process::id()),
        object: Box::leak(object.into_boxed_slice()),
        ..Options::default()
    };
    let started = Capture::start(&options, &CaptureRequest::default());
    let mut started = started.expect("the programs run");
    let capture = &mut started.capture;
    let request = CaptureRequest {
        reach: Reach::everywhere(Kinds::ALL),
        ..CaptureRequest::default()
    };
    let hooks_of = |capture: &Capture, mode| {
        let links = capture.links.iter();
        links.filter(|(hook, _)| hook.mode == mode).count()
    };
    let before = hooks_of(capture, None);
    let tried = capture.try_mode(HookMode::Perf, &request);
    assert!(
        matches!(tried, Err(CaptureError::Missing { .. })),
        "{tried:?}"
    );
    assert_eq!(hooks_of(capture, Some(HookMode::Perf)), 0);
    assert!(hooks_of(capture, None) >= before);
    let next = capture.try_mode(HookMode::Raw, &request);
    next.expect("this mode has its programs");
    assert!(hooks_of(capture, Some(HookMode::Raw)) > 0);
}

#[test]
fn a_cgroup_whose_throttling_is_over_can_be_forgotten() {
    // No other process makes events of this tree, so the counters stay after its end.
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "read go; for n in 1 2 3 4 5; do /bin/true; done"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell runs");
    let options = Options {
        tree: TreeMode::Only(shell.id()),
        ..Options::default()
    };
    let request = CaptureRequest {
        budget: Budget { rate: 1, burst: 1 },
        ..CaptureRequest::default()
    };
    let Started {
        capture: _capture,
        mut throttled,
        ..
    } = Capture::start(&options, &request).expect("the programs run");
    drop(shell.stdin.take());
    shell.wait().expect("the shell ends");
    let counts = throttled.read().expect("the map can be read");
    let [(key, refused)] = counts.as_slice() else {
        panic!("one cgroup is over its budget: {counts:?}");
    };
    assert!(refused[Kind::Exec as usize] >= 3, "{refused:?}");
    // A removed entry may be removed again.
    for _ in 0..2 {
        throttled.remove(*key).expect("the map can be written");
        assert_eq!(throttled.read().expect("as before"), []);
    }
}

#[test]
fn unchanged_settings_are_no_tampering() {
    let options = Options {
        tree: TreeMode::Only(std::process::id()),
        ..Options::default()
    };
    let started = Capture::start(&options, &CaptureRequest::default()).expect("the programs run");
    let mut capture = started.capture;
    let found = capture.restore_settings().expect("the map can be read");
    assert!(!found.is_any());
}

#[test]
fn connects_arrive_through_perf_tracepoints() {
    connects_arrive(HookMode::Perf);
}

#[test]
fn connects_arrive_through_the_raw_tracepoint() {
    connects_arrive(HookMode::Raw);
}
