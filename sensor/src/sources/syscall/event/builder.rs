//! Builds records as the kernel side writes them, for tests, benchmarks and fuzzing.

use sensor_ebpf::{Ancestor, Call, Connect, Exec, Header, Kind, Part, Task, WIRE_VERSION};
use zerocopy::IntoBytes;

/// The parts of a record.
#[derive(Clone, Debug)]
pub struct RecordBuilder {
    /// Kind of the record.
    pub kind: Kind,
    /// When the event happened, nanoseconds since boot.
    pub time: u64,
    /// The process; [`Self::build`] fills in the lengths.
    pub task: Task,
    /// Fixed part of an exec; [`Self::build`] fills in the lengths.
    pub exec: Exec,
    /// Fixed part of a connect; [`Self::build`] fills in the lengths.
    pub connect: Connect,
    /// Fixed part of a plain system call.
    pub call: Call,
    /// Ancestors, nearest first.
    pub ancestors: Vec<Ancestor>,
    /// Path of the cgroup, `/a/b/c`.
    pub cgroup: Vec<u8>,
    /// Path of the executable, `/usr/bin/true`.
    pub exe: Vec<u8>,
    /// Working directory.
    pub cwd: Vec<u8>,
    /// Path given to exec.
    pub filename: Vec<u8>,
    /// argv.
    pub argv: Vec<Vec<u8>>,
    /// Environment, `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// Name of a unix socket.
    pub path: Vec<u8>,
}

impl RecordBuilder {
    /// A successful exec of `exe` with `argv` by process 1000, child of 999, on the host.
    #[must_use]
    pub fn exec(exe: &str, argv: &[&str]) -> Self {
        let mut task = Task {
            start: 5_000_000_000,
            image_time: 5_000_001_000,
            image_start: 5_000_000_000,
            image_tgid: 1000,
            tgid: 1000,
            tid: 1000,
            ppid: 999,
            vtgid: 1000,
            vtid: 1000,
            pgid: 1000,
            vpgid: 1000,
            sid: 900,
            vsid: 900,
            loginuid: u32::MAX,
            sessionid: u32::MAX,
            flags: sensor_ebpf::task_flag::CGROUP_COMPLETE | sensor_ebpf::task_flag::INITIAL_PID_NS,
            ..Task::default()
        };
        set_comm(&mut task.comm, exe.rsplit('/').next().unwrap_or(exe));
        let mut parent = Ancestor {
            start: 4_000_000_000,
            image_time: 4_000_001_000,
            image_start: 4_000_000_000,
            image_tgid: 999,
            tgid: 999,
            vtgid: 999,
            ..Ancestor::default()
        };
        set_comm(&mut parent.comm, "bash");
        let mut init = Ancestor {
            tgid: 1,
            vtgid: 1,
            ..Ancestor::default()
        };
        set_comm(&mut init.comm, "systemd");
        Self {
            kind: Kind::Exec,
            time: 5_000_001_000,
            task,
            exec: Exec {
                flags: sensor_ebpf::exec_flag::EXE_COMPLETE | sensor_ebpf::exec_flag::CWD_COMPLETE,
                ..Exec::default()
            },
            connect: Connect::default(),
            call: Call::default(),
            ancestors: vec![parent, init],
            cgroup: Vec::new(),
            exe: exe.into(),
            cwd: b"/root".to_vec(),
            filename: exe.into(),
            argv: argv.iter().map(|&a| a.into()).collect(),
            env: Vec::new(),
            path: Vec::new(),
        }
    }

    /// A connect by the same process.
    #[must_use]
    pub fn connect(connect: Connect) -> Self {
        Self {
            kind: Kind::Connect,
            connect,
            ..Self::exec("/usr/bin/curl", &["curl"])
        }
    }

    /// A plain system call by the same process, with the first of its arguments.
    #[must_use]
    pub fn call<const N: usize>(kind: Kind, result: i64, arguments: [u64; N]) -> Self {
        let mut call = Call {
            result,
            ..Call::default()
        };
        for (to, from) in call.arguments.iter_mut().zip(arguments) {
            *to = from;
        }
        Self {
            kind,
            call,
            ..Self::exec("/usr/bin/nsenter", &["nsenter"])
        }
    }

    /// The same record, in the cgroup with this path.
    #[must_use]
    pub fn in_cgroup(mut self, path: &str) -> Self {
        self.cgroup = path.into();
        self
    }

    /// The record's bytes.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let cgroup = names(&self.cgroup);
        let ancestors = self.ancestors.as_bytes();
        let mut task = self.task;
        task.ancestors_len = len(ancestors);
        task.cgroup_len = len(&cgroup);
        let mut body = Vec::new();
        match self.kind.part() {
            Part::Exec => {
                let (exe, cwd) = (names(&self.exe), names(&self.cwd));
                let (argv, env) = (strings(&self.argv), strings(&self.env));
                let mut exec = self.exec;
                exec.exe_len = len(&exe);
                exec.cwd_len = len(&cwd);
                exec.filename_len = len(&self.filename);
                exec.argv_len = len(&argv);
                exec.env_len = len(&env);
                exec.argv_size = exec.argv_size.max(argv.len() as u64);
                exec.env_size = exec.env_size.max(env.len() as u64);
                body.extend_from_slice(exec.as_bytes());
                for part in [ancestors, &cgroup, &exe, &cwd, &self.filename, &argv, &env] {
                    body.extend_from_slice(part);
                }
            }
            Part::Connect => {
                let mut connect = self.connect;
                connect.path_len = len(&self.path);
                body.extend_from_slice(connect.as_bytes());
                for part in [ancestors, &cgroup, &self.path] {
                    body.extend_from_slice(part);
                }
            }
            Part::Call(_) => {
                body.extend_from_slice(self.call.as_bytes());
                body.extend_from_slice(ancestors);
                body.extend_from_slice(&cgroup);
            }
        }
        let header = Header {
            len: u32::try_from(size_of::<Header>() + size_of::<Task>() + body.len())
                .unwrap_or(u32::MAX),
            kind: self.kind as u16,
            version: WIRE_VERSION,
            time: self.time,
            number: 0,
            cpu: 0,
            watched: 0,
        };
        [header.as_bytes(), task.as_bytes(), &body].concat()
    }
}

/// Sets a `comm`, cut to 15 bytes.
pub fn set_comm(comm: &mut [u8; sensor_ebpf::COMM_LEN], name: &str) {
    *comm = [0; sensor_ebpf::COMM_LEN];
    let n = name.len().min(sensor_ebpf::COMM_LEN - 1);
    comm[..n].copy_from_slice(&name.as_bytes()[..n]);
}

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn names(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in path.split(|&b| b == b'/').rev().filter(|n| !n.is_empty()) {
        out.extend_from_slice(name);
        out.push(0);
    }
    out
}

fn strings(list: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for s in list {
        out.extend_from_slice(s);
        out.push(0);
    }
    out
}
