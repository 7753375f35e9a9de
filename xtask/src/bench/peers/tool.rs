//! The tools, and their command lines.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use harness::{Scene, Sensor, Setup, programs};

use super::{
    Arguments, Storm,
    source::{Place, Source},
};
use crate::shell::{command, output};

/// The tool that writes the events, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tool {
    Nothing,
    Sensor,
    Bpftrace(Source),
    LibbpfTools(Source),
    Audit(Source),
}

/// Execs with their arguments, as bpftrace's own execsnoop.bt prints them.
const BPFTRACE_EXEC: &str =
    "tracepoint:syscalls:sys_enter_exec* { printf(\"%-6d %-16s \", pid, comm); join(args->argv); }";
/// TCP connects in the form of bpftrace's tcpconnect.bt, but by the tracepoint: not every kernel
/// has its kprobe.
const BPFTRACE_CONNECT: &str = "tracepoint:sock:inet_sock_set_state /args->newstate == 2/ \
    { printf(\"%-6d %-16s %s:%d %s:%d\\n\", pid, comm, ntop(args->family, args->saddr), args->sport, \
    ntop(args->family, args->daddr), args->dport); }";

impl Tool {
    pub(super) const ALL: [Self; 8] = [
        Self::Nothing,
        Self::Sensor,
        Self::Bpftrace(Source::Machine),
        Self::Bpftrace(Source::Testing),
        Self::LibbpfTools(Source::Machine),
        Self::LibbpfTools(Source::Testing),
        Self::Audit(Source::Machine),
        Self::Audit(Source::Testing),
    ];

    /// The tool's name, and the version of its package.
    pub(super) fn name(self, storm: Storm, place: &Place) -> String {
        let (name, source, package) = match (self, storm) {
            (Self::Nothing, _) => return "nothing".to_owned(),
            (Self::Sensor, _) => return "sensor".to_owned(),
            (Self::Bpftrace(source), _) => ("bpftrace", source, "bpftrace"),
            (Self::LibbpfTools(source), Storm::Exec) => {
                ("libbpf-tools execsnoop", source, "libbpf-tools")
            }
            (Self::LibbpfTools(source), Storm::Connect) => {
                ("libbpf-tools tcpconnect", source, "libbpf-tools")
            }
            (Self::Audit(source), _) => ("Linux audit, auditd", source, "auditd"),
        };
        let version = place.version(source, package);
        format!("{name} {}", version.as_deref().unwrap_or("(newer)"))
    }

    /// Number of events of one storm that the tool writes. A fifth of the connects are UDP.
    pub(super) fn expected(self, storm: Storm, arguments: Arguments) -> f64 {
        match (self, storm) {
            (_, Storm::Exec) => f64::from(arguments.execs),
            (Self::Bpftrace(_) | Self::LibbpfTools(_), Storm::Connect) => {
                f64::from(arguments.connects) * 0.8
            }
            (_, Storm::Connect) => f64::from(arguments.connects),
        }
    }

    /// Starts the tool, which need not be ready when this returns.
    pub(super) fn start(self, storm: Storm, place: &Place) -> Result<Option<Running>> {
        let directory = tempfile_in(&place.scene)?;
        let inner = match self {
            Self::Nothing => return Ok(None),
            Self::Sensor => Inner::Sensor(Box::new(sensor(storm))),
            Self::Bpftrace(source) => {
                let program = match storm {
                    Storm::Exec => BPFTRACE_EXEC,
                    Storm::Connect => BPFTRACE_CONNECT,
                };
                let mut bpftrace = place.command(source, "bpftrace", &directory)?;
                bpftrace.args(["-B", "full", "-e", program]);
                Inner::Child(child(&mut bpftrace, &directory)?)
            }
            Self::LibbpfTools(source) => {
                let program = match (storm, source) {
                    (Storm::Exec, Source::Machine) => "execsnoop",
                    (Storm::Exec, Source::Testing) => "execsnoop-libbpf",
                    (Storm::Connect, Source::Machine) => "tcpconnect",
                    (Storm::Connect, Source::Testing) => "tcpconnect-libbpf",
                };
                let mut program = place.command(source, program, &directory)?;
                Inner::Child(child(&mut program, &directory)?)
            }
            Self::Audit(source) => Inner::Audit(Audit::start(storm, source, place, &directory)?),
        };
        let file = match self {
            Self::Audit(_) => "audit.log",
            _ => "output",
        };
        Ok(Some(Running {
            pids: inner.pids(),
            output: directory.join(file),
            directory,
            needle: self.needle(storm),
            inner: Some(inner),
        }))
    }

    /// The text that identifies a line of the storm, and the text that identifies a line of the
    /// probe.
    fn needle(self, storm: Storm) -> [&'static str; 2] {
        match (self, storm) {
            (Self::Sensor, Storm::Exec) => ["\"proc.name\":\"tiny\"", "\"proc.name\":\"probe\""],
            (Self::Sensor, Storm::Connect) => {
                ["\"proc.name\":\"storm\"", "\"proc.name\":\"knock\""]
            }
            (Self::Audit(_), Storm::Exec) => [" comm=\"tiny\"", " comm=\"probe\""],
            (Self::Audit(_), Storm::Connect) => [" comm=\"storm\"", " comm=\"knock\""],
            (_, Storm::Exec) => ["/tiny ", "/probe "],
            (_, Storm::Connect) => [" storm ", " knock "],
        }
    }
}

/// A directory for one run's files.
fn tempfile_in(scene: &Scene) -> Result<PathBuf> {
    for number in 0.. {
        let path = scene.path(&format!("run-{number}"));
        if !path.exists() {
            fs::create_dir(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
            return Ok(path);
        }
    }
    bail!("no name is free")
}

/// The sensor, writing every event with the output of the shipped rules.
fn sensor(storm: Storm) -> Sensor {
    let (rules, condition) = match storm {
        Storm::Exec => (include_str!("../rules.yaml"), "evt.type = execve"),
        Storm::Connect => (include_str!("../connect.yaml"), "evt.type = connect"),
    };
    Setup::of_the_machine()
        .rules(&rules.replace("CONDITION", condition))
        .option("sensor.file_output.rotate.size", 0)
        .start()
}

/// A program that writes to a file.
fn child(program: &mut Command, directory: &Path) -> Result<Child> {
    program
        .stdin(Stdio::null())
        .stdout(File::create(directory.join("output"))?)
        .stderr(File::create(directory.join("errors"))?);
    Ok(programs::spawn(program))
}

/// A running tool.
pub(super) struct Running {
    /// Processes whose CPU time counts for the tool; its memory is that of the first one.
    pub(super) pids: Vec<u32>,
    output: PathBuf,
    directory: PathBuf,
    needle: [&'static str; 2],
    inner: Option<Inner>,
}

enum Inner {
    Sensor(Box<Sensor>),
    Child(Child),
    Audit(Audit),
}

impl Inner {
    fn pids(&self) -> Vec<u32> {
        match self {
            Self::Sensor(sensor) => vec![sensor.pid()],
            Self::Child(child) => vec![child.id()],
            Self::Audit(audit) => [audit.daemon.id()]
                .into_iter()
                .chain(kernel_thread("kauditd"))
                .collect(),
        }
    }
}

impl Running {
    fn text(&self) -> String {
        match &self.inner {
            Some(Inner::Sensor(sensor)) => sensor.lines().join("\n"),
            _ => String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned(),
        }
    }

    pub(super) fn has_seen_the_probe(&self) -> bool {
        self.text().contains(self.needle[1])
    }

    /// An error, if the tool has ended.
    pub(super) fn still_runs(&mut self) -> Result<()> {
        let child = match &mut self.inner {
            Some(Inner::Child(child)) => child,
            Some(Inner::Audit(audit)) => &mut audit.daemon,
            _ => return Ok(()),
        };
        let ended = child.try_wait()?;
        ensure!(
            ended.is_none(),
            "it does not run here: {}",
            self.complaint()
        );
        Ok(())
    }

    /// The last line of its standard error.
    pub(super) fn complaint(&self) -> String {
        let text = fs::read(self.directory.join("errors")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().last().unwrap_or("it says nothing").to_owned()
    }

    /// Waits until the tool is idle.
    pub(super) fn settle(&self) {
        let cpu = || -> f64 {
            let each = self.pids.iter();
            each.filter_map(|pid| super::cpu_seconds(*pid).ok()).sum()
        };
        let end = Instant::now() + Duration::from_mins(1);
        let mut last = cpu();
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(200));
            let before = std::mem::replace(&mut last, cpu());
            if last - before < 0.002 {
                return;
            }
        }
    }

    /// Stops the tool in order; returns the number of lines of the storm that it wrote.
    pub(super) fn stop(mut self) -> Result<usize> {
        let text = match self.inner.take() {
            Some(Inner::Sensor(sensor)) => {
                let lines = |seen: harness::Seen| {
                    let line = |event: &harness::Event| event.0.to_string();
                    seen.events.iter().map(line).collect::<Vec<_>>()
                };
                lines(sensor.stop()).join("\n")
            }
            Some(Inner::Child(child)) => {
                end(child, libc::SIGINT)?;
                self.text()
            }
            Some(Inner::Audit(audit)) => {
                drop(audit);
                self.text()
            }
            None => String::new(),
        };
        let is_one = |line: &&str| line.contains(self.needle[0]);
        Ok(text.lines().filter(is_one).count())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(Inner::Child(child)) = self.inner.take() {
            // The tool ends in any case.
            let _ = end(child, libc::SIGKILL);
        }
    }
}

fn end(mut child: Child, signal: i32) -> Result<()> {
    let pid = i32::try_from(child.id())?;
    // SAFETY: a signal to a child of ours that has not been waited for.
    unsafe { libc::kill(pid, signal) };
    let limit = Instant::now() + Duration::from_secs(20);
    while child.try_wait()?.is_none() {
        if Instant::now() > limit {
            child.kill()?;
            child.wait()?;
            bail!("it did not end within 20 s");
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The process id of a kernel thread.
fn kernel_thread(name: &str) -> Option<u32> {
    let entries = fs::read_dir("/proc").ok()?;
    entries.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let comm = fs::read_to_string(entry.path().join("comm")).ok()?;
        (comm.trim() == name).then_some(pid)
    })
}

/// Linux audit with a rule for the storm's system call and auditd's default settings.
struct Audit {
    daemon: Child,
}

impl Audit {
    fn start(storm: Storm, source: Source, place: &Place, directory: &Path) -> Result<Self> {
        let seen = source.seen(directory);
        let settings = format!(
            "log_file = {}\nlog_format = RAW\nwrite_logs = yes\nflush = INCREMENTAL_ASYNC\n\
             freq = 50\nmax_log_file = 1000\nmax_log_file_action = IGNORE\nlocal_events = yes\n\
             space_left = 1\nadmin_space_left = 0\n",
            seen.join("audit.log").display()
        );
        let file = directory.join("auditd.conf");
        fs::write(&file, settings)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640))?;
        let mut daemon = place.command(source, "auditd", directory)?;
        let daemon = child(daemon.args(["-n", "-c"]).arg(seen), directory)?;
        let this = Self { daemon };
        let call = match storm {
            Storm::Exec => "execve",
            Storm::Connect => "connect",
        };
        control(&["-D"])?;
        control(&["-b", "8192"])?; // as Debian's audit.rules sets it
        control(&[
            "-a",
            "always,exit",
            "-F",
            "arch=b64",
            "-S",
            call,
            "-k",
            "bench",
        ])?;
        control(&["-e", "1"])?;
        Ok(this)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let pid = self.daemon.id();
        // The kernel prepares every fork for audit rules until it gets the order that there never
        // will be any.
        for arguments in [&["-e", "0"][..], &["-D"], &["-a", "task,never"]] {
            if let Err(error) = control(arguments) {
                crate::shell::say(format_args!("audit stays on: {error:#}"));
            }
        }
        if let Ok(pid) = i32::try_from(pid) {
            // SAFETY: a signal to a child of ours that has not been waited for.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let _ = self.daemon.wait();
    }
}

fn control(arguments: &[&str]) -> Result<()> {
    output(&mut command("auditctl", arguments)).map(drop)
}
