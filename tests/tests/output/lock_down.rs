//! System calls that the sensor has given up after its start, tried in a child process.

use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Barrier},
};

use sensor::lifecycle::{KEPT, Rights, lock_down};
use tests::{Scene, Setup, programs, sensor::wait_for};

/// Not a test: the process that gives up its rights.
#[test]
#[ignore = "started by the tests of this module"]
fn locked_process() {
    if std::env::var_os("SENSOR_TEST_LOCK").is_none() {
        return;
    }
    // A thread that exists already must lose its rights too.
    let barrier = Arc::new(Barrier::new(2));
    let (go, dir) = (Arc::clone(&barrier), tempfile::tempdir().unwrap());
    let file = dir.path().join("f");
    fs::write(&file, "").unwrap();
    let path = file.clone();
    let older = std::thread::spawn(move || {
        go.wait();
        std::os::unix::fs::chown(path, Some(1), None)
            .unwrap_err()
            .raw_os_error()
    });
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    lock_down(Rights::default()).unwrap();
    barrier.wait();
    let denied = Some(libc::EPERM);
    assert_eq!(older.join().unwrap(), denied, "an older thread");
    let chown = std::os::unix::fs::chown(&file, Some(1), None);
    assert_eq!(chown.unwrap_err().raw_os_error(), denied, "chown");
    let exec = Command::new("/bin/true").spawn();
    assert_eq!(exec.unwrap_err().raw_os_error(), denied, "new process");
    for (name, outcome) in forbidden() {
        assert_eq!(outcome.unwrap_err().raw_os_error(), denied, "{name}");
    }
    let mut kept = 0;
    for (_, capability, _) in KEPT {
        kept |= capability.bits();
    }
    for task in fs::read_dir("/proc/self/task").unwrap() {
        // The kernel may list a joined thread for a moment longer.
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else {
            continue;
        };
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            let bits = u64::from_str_radix(&field(set), 16).unwrap();
            assert_eq!(bits & !kept, 0, "{set} {bits:x}");
        }
        assert_eq!(field("NoNewPrivs:"), "1");
        assert_eq!(field("Seccomp:"), "2");
    }
    allowed(dir.path(), other.id());
    other.kill().unwrap();
    other.wait().unwrap();
    println!("locked down");
}

fn forbidden() -> Vec<(&'static str, io::Result<()>)> {
    let parent = std::process::id();
    let call = |outcome: i64| {
        if outcome == 0 && std::process::id() != parent {
            // SAFETY: the child of a `fork` that should not have been possible ends.
            unsafe { libc::_exit(0) };
        }
        if outcome < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    };
    // SAFETY: system calls with harmless arguments, which must all be refused.
    unsafe {
        vec![
            ("fork", call(libc::fork().into())),
            ("ptrace", call(libc::ptrace(libc::PTRACE_ATTACH, 1, 0, 0))),
            ("unshare", call(libc::unshare(libc::CLONE_NEWNS).into())),
            ("chroot", call(libc::chroot(c"/".as_ptr()).into())),
            ("setuid", call(libc::syscall(libc::SYS_setuid, 0))),
            (
                "umount",
                call(libc::umount(c"/nonexistent".as_ptr()).into()),
            ),
            ("reboot", call(libc::syscall(libc::SYS_reboot, 0, 0, 0))),
            (
                "netlink",
                call(libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0).into()),
            ),
            (
                "packet",
                call(libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).into()),
            ),
            (
                "io_uring",
                call(libc::syscall(libc::SYS_io_uring_setup, 1, 0)),
            ),
        ]
    }
}

/// Calls that must still work: files, rotation, threads, connections, other processes' files.
fn allowed(dir: &std::path::Path, other: u32) {
    fs::write(dir.join("a"), "text").unwrap();
    fs::rename(dir.join("a"), dir.join("b")).unwrap();
    std::thread::spawn(|| ()).join().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // For a process with more rights, CAP_SYS_PTRACE is necessary.
    fs::read_dir(format!("/proc/{other}/root")).unwrap();
    fs::read_link(format!("/proc/{other}/exe")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { tokio::task::spawn(async {}).await.unwrap() });
}

#[test]
fn every_thread_refuses_the_system_calls_that_the_sensor_has_given_up() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "output::lock_down::locked_process",
            "--ignored",
            "--nocapture",
        ])
        .env("SENSOR_TEST_LOCK", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("locked down"), "{text}{errors}");
}

#[test]
fn a_log_that_is_given_to_another_user_is_opened_again() {
    let scene = Scene::new();
    let log = scene.path("events.json");
    let sensor = Setup::watching(std::process::id())
        .option("file_output.keep_alive", false)
        .option("sensor.file_output.owner", "1000:1000")
        .log_at(log.clone())
        .start();
    let has_it_open = || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", sensor.pid())).unwrap();
        let mut files = descriptors.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        files.any(|file| file == log)
    };
    for name in ["given-away-1", "given-away-2"] {
        assert!(wait_for(|| !has_it_open()), "before {name}");
        let tool = scene.program(name);
        programs::alone(|| Command::new(tool).status()).unwrap();
        let written = || sensor.lines().iter().any(|line| line.contains(name));
        assert!(wait_for(written), "{name}:\n{}", sensor.stderr());
    }
    let _ = sensor.stop();
}
