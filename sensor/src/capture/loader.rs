//! Loading and attaching the programs.

use std::{fs, path::Path};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, RingBuf},
    programs::{BtfTracePoint, TracePoint, tp_btf::BtfTracePointLink, trace_point::TracePointLink},
};
use sensor_ebpf::{ARGV_LIMIT_DEFAULT, ARGV_LIMIT_MAX, CgroupClass, CgroupKey, Image, Settings};
use zerocopy::IntoBytes;

use super::{
    BPF_OBJECT, CaptureError, HookMode, KernelCounts, Options, TICK_NS, TreeMode, Wants,
    guard::Told,
    hooks::{HOOKS, Hook, Purpose},
    mapped::Mapped,
    offsets::layout,
    processes,
    ring::Ring,
};

/// [`Settings`] as the map takes it.
pub(super) type SettingsWords = [u32; size_of::<Settings>() / 4];

/// The programs, loaded; dropping it detaches them.
pub struct Capture {
    pub(super) bpf: Ebpf,
    btf: Btf,
    /// Programs that are loaded later refer to it by its descriptor.
    _counts: Map,
    pub(super) settings: Array<MapData, SettingsWords>,
    /// The same map's memory.
    pub(super) told_settings: Mapped,
    /// What the settings were set to last.
    pub(super) applied: SettingsWords,
    pub(super) cgroups: HashMap<MapData, [u64; 2], u32>,
    pub(super) told: Told,
    marker: u32,
    tree: TreeMode,
    mode: HookMode,
    /// The attached programs; dropping a link detaches it.
    links: Vec<(&'static str, Link)>,
    refused: Option<CaptureError>,
    argv_capacity: u32,
}

impl Capture {
    /// Loads the programs and attaches those that `wants` needs.
    ///
    /// # Errors
    /// If the kernel lacks something or refuses it; see [`CaptureError`].
    pub fn start(
        options: &Options,
        wants: &Wants,
    ) -> Result<(Self, Ring, KernelCounts), CaptureError> {
        let layout = layout()?;
        raise_memlock();
        let btf = Btf::from_sys_fs().map_err(|e| CaptureError::BadBtf {
            path: "/sys/kernel/btf/vmlinux".into(),
            reason: e.to_string(),
        })?;
        let cpus = possible_cpus();
        let capacity = options
            .argv_capacity
            .clamp(ARGV_LIMIT_DEFAULT, ARGV_LIMIT_MAX);
        let (small, large) = if capacity > ARGV_LIMIT_DEFAULT {
            (1, cpus)
        } else {
            (cpus, 1)
        };
        let mut bpf = EbpfLoader::new()
            .btf(Some(&btf))
            .override_global("OFFSETS", layout.offsets.as_bytes(), true)
            .override_global("REGS_ON_STACK", &layout.regs_on_stack, true)
            .override_global("ARGV_CAPACITY", &capacity, true)
            .map_max_entries("EVENTS", options.ring_bytes)
            .map_max_entries("COUNTS", cpus)
            .map_max_entries("SCRATCH_EXEC", small)
            .map_max_entries("SCRATCH_FAILED", small)
            .map_max_entries("SCRATCH_CONNECT", cpus)
            .map_max_entries("SCRATCH_ATTEMPT", cpus)
            .map_max_entries("SCRATCH_EXEC_LARGE", large)
            .map_max_entries("SCRATCH_FAILED_LARGE", large)
            .load(BPF_OBJECT)
            .map_err(|e| CaptureError::Load(Box::new(e)))?;
        let ring = Ring::new(map::<RingBuf<MapData>>(&mut bpf, "EVENTS")?);
        let counts_map = take(&mut bpf, "COUNTS")?;
        let counts = KernelCounts::new(&counts_map, cpus)?;
        let settings = take(&mut bpf, "SETTINGS")?;
        let told_settings = Mapped::new(&settings, "SETTINGS", size_of::<Settings>())?;
        let settings = settings.try_into().map_err(|source| CaptureError::Map {
            map: "SETTINGS",
            source,
        })?;
        let cgroups = map(&mut bpf, "CGROUPS")?;
        let mut images: HashMap<MapData, u32, [u64; 3]> = map(&mut bpf, "IMAGES")?;
        let mut capture = Self {
            bpf,
            btf,
            _counts: counts_map,
            settings,
            told_settings,
            applied: SettingsWords::default(),
            cgroups,
            told: Told::default(),
            marker: options.marker.unwrap_or_default(),
            tree: options.tree,
            mode: options.hooks,
            links: Vec::new(),
            refused: None,
            argv_capacity: capacity,
        };
        // Forks are followed before the existing tree is marked, so that a
        // process forked meanwhile is found by one or by the other.
        capture.attach(&HOOKS[0])?;
        mark(&mut images, options.tree)?;
        capture.attach_needed(wants)?;
        Ok((capture, ring, counts))
    }

    /// Gives the kernel side new settings, and attaches or detaches what they need.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn apply(&mut self, wants: &Wants) -> Result<(), CaptureError> {
        self.attach_needed(wants)
    }

    /// Attaches what is needed and detaches what is not. In mode
    /// [`HookMode::Auto`] a refused per-syscall tracepoint settles it: from then
    /// on system calls are hooked raw.
    fn attach_needed(&mut self, wants: &Wants) -> Result<(), CaptureError> {
        if self.mode == HookMode::Auto {
            self.mode = HookMode::Perf;
            match self.attach_in_mode(wants) {
                Err(error)
                    if HOOKS
                        .iter()
                        .any(|h| h.needed(wants, HookMode::Raw) && h.purpose == Purpose::Raw) =>
                {
                    self.refused = Some(error);
                    self.mode = HookMode::Raw;
                }
                done => {
                    if !HOOKS
                        .iter()
                        .any(|h| h.needed(wants, HookMode::Perf) && h.purpose == Purpose::Perf)
                    {
                        self.mode = HookMode::Auto; // not put to the test yet
                    }
                    return done;
                }
            }
        }
        self.attach_in_mode(wants)
    }

    fn attach_in_mode(&mut self, wants: &Wants) -> Result<(), CaptureError> {
        self.set(wants)?;
        for hook in HOOKS {
            let attached = self
                .links
                .iter()
                .any(|(program, _)| *program == hook.program);
            match (hook.needed(wants, self.mode), attached) {
                (true, false) => self.attach(hook)?,
                (false, true) => self.links.retain(|(program, _)| *program != hook.program),
                _ => {}
            }
        }
        Ok(())
    }

    /// Why per-syscall tracepoints were refused, if they were.
    #[must_use]
    pub fn refused(&self) -> Option<&CaptureError> {
        self.refused.as_ref()
    }

    /// Detaches everything. What is in the ring buffer stays there to be taken.
    pub fn detach(&mut self) {
        self.links.clear();
    }

    /// Tells the kernel what a cgroup is.
    ///
    /// # Errors
    /// If the map refuses.
    pub fn classify(&mut self, key: CgroupKey, class: CgroupClass) -> Result<(), CaptureError> {
        self.cgroups
            .insert([key.node, key.id], class as u32, 0)
            .map_err(|source| CaptureError::Map {
                map: "CGROUPS",
                source,
            })?;
        self.told.insert(key, class);
        Ok(())
    }

    /// Names of the attached programs.
    pub fn attached(&self) -> impl Iterator<Item = &'static str> {
        self.links.iter().map(|(program, _)| *program)
    }

    /// How system calls are hooked.
    #[must_use]
    pub fn mode(&self) -> HookMode {
        self.mode
    }

    /// Most bytes of argv that can be captured until the next start.
    #[must_use]
    pub fn argv_capacity(&self) -> u32 {
        self.argv_capacity
    }

    fn set(&mut self, wants: &Wants) -> Result<(), CaptureError> {
        let settings: SettingsWords = zerocopy::transmute!(Settings {
            marker: self.marker,
            ..wants.settings(self.tree, self.mode)
        });
        self.applied = settings;
        self.settings
            .set(0, settings, 0)
            .map_err(|source| CaptureError::Map {
                map: "SETTINGS",
                source,
            })
    }

    fn attach(&mut self, hook: &'static Hook) -> Result<(), CaptureError> {
        let program = self
            .bpf
            .program_mut(hook.program)
            .ok_or(CaptureError::Missing {
                what: "program",
                name: hook.program,
            })?;
        let failed = |action| {
            move |source| CaptureError::Program {
                action,
                program: hook.program,
                hook: hook.tracepoint,
                source: Box::new(source),
            }
        };
        let loaded = program.fd().is_ok();
        let link = match hook.category {
            None => {
                let program: &mut BtfTracePoint = program.try_into().map_err(failed("load"))?;
                if !loaded {
                    program
                        .load(hook.tracepoint, &self.btf)
                        .map_err(failed("load"))?;
                }
                let id = program.attach().map_err(failed("attach"))?;
                Link::Btf(program.take_link(id).map_err(failed("attach"))?)
            }
            Some(category) => {
                let program: &mut TracePoint = program.try_into().map_err(failed("load"))?;
                if !loaded {
                    program.load().map_err(failed("load"))?;
                }
                let id = program
                    .attach(category, hook.tracepoint)
                    .map_err(failed("attach"))?;
                Link::Perf(program.take_link(id).map_err(failed("attach"))?)
            }
        };
        self.links.push((hook.program, link));
        Ok(())
    }
}

/// What keeps a program attached.
#[expect(dead_code, reason = "held for their drop, which detaches")]
enum Link {
    Btf(BtfTracePointLink),
    Perf(TracePointLink),
}

/// Takes a map out of the object.
fn map<T: TryFrom<Map, Error = aya::maps::MapError>>(
    bpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, CaptureError> {
    take(bpf, name)?
        .try_into()
        .map_err(|source| CaptureError::Map { map: name, source })
}

fn take(bpf: &mut Ebpf, name: &'static str) -> Result<Map, CaptureError> {
    bpf.take_map(name)
        .ok_or(CaptureError::Missing { what: "map", name })
}

/// Marks the processes of the observed (or excluded) tree that exist already.
fn mark(images: &mut HashMap<MapData, u32, [u64; 3]>, tree: TreeMode) -> Result<(), CaptureError> {
    let root = match tree {
        TreeMode::All => return Ok(()),
        TreeMode::ExcludeSelf => std::process::id(),
        TreeMode::Only(root) | TreeMode::Exclude(root) => root,
    };
    let all = processes(Path::new("/proc"));
    let mut marked = vec![root];
    let mut next = 0;
    while let Some(&parent) = marked.get(next) {
        marked.extend(all.iter().filter(|p| p.ppid == parent).map(|p| p.tgid));
        next += 1;
    }
    for tgid in marked {
        let start_ticks = all
            .iter()
            .find(|p| p.tgid == tgid)
            .map_or(0, |p| p.start_ticks);
        let image: [u64; 3] = zerocopy::transmute!(Image {
            time: 0,
            start: start_ticks * TICK_NS,
            tgid,
            marked: 1,
        });
        images
            .insert(tgid, image, 0)
            .map_err(|source| CaptureError::Map {
                map: "IMAGES",
                source,
            })?;
    }
    Ok(())
}

/// Before 5.11 maps count against this limit. A refusal is no error: loading
/// then says so itself.
fn raise_memlock() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let _ = setrlimit(
        Resource::Memlock,
        Rlimit {
            current: None,
            maximum: None,
        },
    );
}

/// How many CPUs there can ever be: scratch memory is indexed by CPU.
fn possible_cpus() -> u32 {
    let text = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    text.trim()
        .split([',', '-'])
        .filter_map(|n| n.parse::<u32>().ok())
        .max()
        .map_or_else(
            || {
                std::thread::available_parallelism()
                    .map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
            },
            |highest| highest + 1,
        )
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use sensor_ebpf::{Counter, Kind};

    use super::*;
    use crate::event::Event;

    #[test]
    fn an_exec_of_a_child_arrives_with_argv_exe_and_cwd() {
        let options = Options {
            tree: TreeMode::Only(std::process::id()),
            ..Options::default()
        };
        let (_capture, mut ring, counts) =
            Capture::start(&options, &Wants::default()).expect("the programs run");
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
        let totals = counts.read();
        assert!(totals.get(Kind::Exec, Counter::Written) >= 1);
    }

    fn failed_exec_arrives(hooks: HookMode) {
        let options = Options {
            tree: TreeMode::Only(std::process::id()),
            hooks,
            ..Options::default()
        };
        let wants = Wants {
            exec_failed: true,
            ..Wants::default()
        };
        let (capture, mut ring, counts) =
            Capture::start(&options, &wants).expect("the programs run");
        assert_eq!(capture.mode(), hooks);
        // Tests run side by side in one process: each has a name of its own.
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
        let totals = counts.read();
        assert!(totals.get(Kind::ExecFailed, Counter::Written) >= 1);
    }

    #[test]
    fn a_failed_exec_arrives_through_perf_tracepoints() {
        failed_exec_arrives(HookMode::Perf);
    }

    #[test]
    fn a_failed_exec_arrives_through_the_raw_tracepoint() {
        failed_exec_arrives(HookMode::Raw);
    }

    fn connects(hooks: HookMode) -> Vec<(crate::event::Connect, Vec<u8>)> {
        let options = Options {
            tree: TreeMode::Only(std::process::id()),
            hooks,
            ..Options::default()
        };
        let wants = Wants {
            connect: true,
            ..Wants::default()
        };
        let (_capture, mut ring, _) = Capture::start(&options, &wants).expect("the programs run");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stream = std::net::TcpStream::connect(address).expect("it listens");
        let ends = (stream.local_addr().expect("bound").port(), address.port());
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
                && (connect.fixed.given_port == ends.1 || connect.path.starts_with(path.as_bytes()))
            {
                out.push((connect.fixed, connect.path.to_vec()));
            }
        });
        assert_eq!(out.len(), 3, "{out:?}");
        assert_eq!(
            (out[0].0.local_port, out[0].0.remote_port),
            ends,
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

    #[test]
    fn connects_arrive_through_perf_tracepoints() {
        connects_arrive(HookMode::Perf);
    }

    #[test]
    fn connects_arrive_through_the_raw_tracepoint() {
        connects_arrive(HookMode::Raw);
    }
}
