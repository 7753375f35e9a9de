//! Loads the eBPF programs, attaches them, and gives them their settings.

use std::collections::BTreeSet;

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, RingBuf},
};
use rustix::thread::{MembarrierCommand, membarrier};
use sensor_ebpf::{
    ARGV_LIMIT_DEFAULT, ARGV_LIMIT_MAX, CgroupClass, CgroupKey, DONE_MAX, Kinds, Settings,
    preempted, want,
};
use tracing::warn;
use zerocopy::IntoBytes;

use super::{
    CaptureError, CaptureRequest, HookMode, KernelCounts, Name, Options, TreeMode, Watched,
    attach::Link,
    fill::RingFill,
    freeze::{OF_PROGRAMS, OF_PROGRAMS_LATER, freeze},
    guard::IntendedState,
    hooks::Hook,
    kernel_functions::{self, KernelFunctions},
    machine::{possible_cpus, raise_memlock},
    mapped::Mapped,
    offsets::{Layout, layout},
    place::OwnPlace,
    programs::Programs,
    ring::Ring,
    throttled::Throttled,
    tree::mark,
};

/// [`Settings`] in the form that the map takes.
pub(super) type SettingsWords = [u32; size_of::<Settings>() / 4];

/// The running kernel side.
pub struct Started {
    /// The eBPF programs.
    pub capture: Capture,
    /// The ring buffer, from which the records come.
    pub ring: Ring,
    /// The counters of events.
    pub counts: KernelCounts,
    /// The throttled events of each cgroup.
    pub throttled: Throttled,
    /// How full the ring buffer is.
    pub fill: RingFill,
    /// The kernel's own figures of the programs.
    pub programs: Programs,
    /// The sensor's own process id in the first pid namespace.
    pub own: u32,
    /// Where the sensor runs, if the kernel says so.
    pub place: Option<OwnPlace>,
}

/// The loaded programs; dropping the value detaches them.
pub struct Capture {
    pub(super) bpf: Ebpf,
    pub(super) btf: Btf,
    /// Programs that the sensor loads later refer to the map by its descriptor.
    _counts: Map,
    pub(super) settings: Array<MapData, SettingsWords>,
    /// The memory of the same map.
    pub(super) settings_memory: Mapped,
    /// The settings that the sensor has written last.
    pub(super) applied: SettingsWords,
    pub(super) cgroups: HashMap<MapData, [u64; 2], u32>,
    pub(super) intended: IntendedState,
    marker: u32,
    /// Whether other nodes share the kernel.
    confined: bool,
    pub(super) names: HashMap<MapData, Name, u8>,
    tree: TreeMode,
    pub(super) mode: HookMode,
    /// The hooks whose programs have backups, bits of [`sensor_ebpf::preempted`].
    pub(super) backups: u32,
    /// The functions of [`HOOKS`](super::hook_table::HOOKS) that this kernel has.
    pub(super) functions: BTreeSet<&'static str>,
    /// Whether programs on functions would lose their CPU to other tasks.
    loses_cpu: bool,
    /// The attached programs; dropping a link detaches it.
    pub(super) links: Vec<(&'static Hook, Link)>,
    pub(super) programs: Programs,
    refused: Vec<(HookMode, CaptureError)>,
    argv_capacity: u32,
    ring_bytes: u32,
    /// The request in force.
    pub(super) request: CaptureRequest,
    /// What observers want beyond that.
    watched: Watched,
    #[cfg(feature = "bpf-log")]
    log: super::program_log::ProgramLog,
}

impl Capture {
    /// Loads the programs and attaches those that `request` needs.
    ///
    /// # Errors
    /// If the kernel lacks something or refuses it; see [`CaptureError`].
    pub fn start(options: &Options, request: &CaptureRequest) -> Result<Started, CaptureError> {
        let layout = layout()?;
        raise_memlock();
        let typed = options.typed && layout.regs_on_stack == 0;
        match Self::load(options, request, &layout, typed) {
            // Such a verifier does not follow one of the types, or knows no such functions.
            Err(refused @ CaptureError::Program { action: "load", .. }) if typed => {
                warn!(
                    "{refused}; the sensor tries again without typed pointers: programs then read the kernel's structures by calls, which takes longer, and may be preempted"
                );
                let plain = Layout {
                    kernel_functions: KernelFunctions::default(),
                    ..layout
                };
                match Self::load(options, request, &plain, false) {
                    // Only the second try forbids this mode.
                    Err(CaptureError::Preempted) => Err(refused),
                    done => done,
                }
            }
            done => done,
        }
    }

    fn load(
        options: &Options,
        request: &CaptureRequest,
        layout: &Layout,
        typed: bool,
    ) -> Result<Started, CaptureError> {
        let btf = Btf::from_sys_fs().map_err(|e| CaptureError::BadBtf {
            path: "/sys/kernel/btf/vmlinux".into(),
            reason: e.to_string(),
        })?;
        let cpus = possible_cpus();
        let backups = options.backups.unwrap_or(layout.preempted);
        let capacity = options
            .argv_capacity
            .clamp(ARGV_LIMIT_DEFAULT, ARGV_LIMIT_MAX);
        let room = (cpus, capacity, backups);
        let mut bpf = object(options, layout, &btf, typed, room)?;
        freeze(&bpf, OF_PROGRAMS)?;
        let mut ring = Ring::new(map::<RingBuf<MapData>>(&mut bpf, "EVENTS")?);
        let place = OwnPlace::ask(&mut bpf, &mut ring).unwrap_or_else(|error| {
            warn!("the kernel does not say where the sensor runs: {error}");
            None
        });
        let own = place.as_ref().map(|place| place.sensor.tgid);
        let own = own.unwrap_or_else(std::process::id);
        let counts_map = take(&mut bpf, "COUNTS")?;
        let counts = KernelCounts::new(&counts_map, cpus)?;
        let programs = Programs::new(KernelCounts::new(&counts_map, cpus)?, backups);
        let settings = take(&mut bpf, "SETTINGS")?;
        let settings_memory = Mapped::new(&settings, "SETTINGS", size_of::<Settings>())?;
        let settings = settings.try_into().map_err(|source| CaptureError::Map {
            map: "SETTINGS",
            source,
        })?;
        let throttled = Throttled::new(map(&mut bpf, "THROTTLED")?);
        let cgroups = map(&mut bpf, "CGROUPS")?;
        let names = map(&mut bpf, "NAMES")?;
        #[cfg(feature = "bpf-log")]
        let log = super::program_log::ProgramLog::of(&mut bpf)?;
        let mut capture = Self {
            bpf,
            btf,
            _counts: counts_map,
            settings,
            settings_memory,
            applied: SettingsWords::default(),
            cgroups,
            intended: IntendedState::default(),
            marker: if options.marker { own } else { 0 },
            confined: false,
            names,
            tree: options.tree,
            mode: options.hooks,
            backups,
            functions: layout.functions.clone(),
            loses_cpu: layout.preempted & preempted::FUNCTIONS != 0
                && layout.kernel_functions.preempt.is_none(),
            links: Vec::new(),
            programs,
            refused: Vec::new(),
            argv_capacity: capacity,
            ring_bytes: options.ring_bytes,
            request: request.clone(),
            watched: Watched::default(),
            #[cfg(feature = "bpf-log")]
            log,
        };
        // Lineage follows forks before the sensor marks the existing tree, so that either lineage
        // or the marking finds a process that forks meanwhile.
        capture.attach_lineage()?;
        mark(
            &mut capture.bpf,
            options.tree,
            place.as_ref().map(|place| place.sensor.tgid),
        )?;
        freeze(&capture.bpf, OF_PROGRAMS_LATER)?;
        capture.attach_needed(request)?;
        Ok(Started {
            fill: RingFill::new(&ring, options.ring_bytes),
            programs: capture.programs.clone(),
            capture,
            ring,
            counts,
            throttled,
            own,
            place,
        })
    }

    /// From now on the kernel side drops events of cgroups of the class
    /// [`CgroupClass::OtherNode`].
    ///
    /// # Errors
    /// If the kernel refuses to write the map.
    pub fn confine(&mut self) -> Result<(), CaptureError> {
        self.confined = true;
        let request = self.request.clone();
        self.put(&request)
    }

    /// Has the kernel side send what observers want, until another call.
    ///
    /// # Errors
    /// If the kernel refuses to write the map.
    pub fn watch(&mut self, watched: Watched) -> Result<(), CaptureError> {
        self.watched = watched;
        let request = self.request.clone();
        self.put(&request)
    }

    /// The kinds of events that the attached hooks see, see [`CaptureRequest::captured`].
    #[must_use]
    pub fn captured(&self) -> Kinds {
        self.request.captured()
    }

    /// Puts another request in force, and attaches or detaches the hooks accordingly.
    ///
    /// # Errors
    /// If the kernel refuses, or if scratch memory has no room for so much of argv. Then the former
    /// request stays in force.
    pub fn apply(&mut self, request: &CaptureRequest) -> Result<(), CaptureError> {
        if request.argv_limit > self.argv_capacity {
            return Err(CaptureError::Room {
                wanted: request.argv_limit,
                capacity: self.argv_capacity,
            });
        }
        let applied = self.attach_needed(request);
        if applied.is_ok() {
            self.request = request.clone();
        } else {
            // The kernel has accepted the former request before.
            let former = self.request.clone();
            let _ = self.attach_needed(&former);
        }
        applied
    }

    /// Attaches the hooks that `request` needs and detaches all others. The first request that
    /// needs a hook of a mode ends [`HookMode::Auto`]: from then on the sensor hooks system calls in
    /// the first mode that the kernel allows.
    fn attach_needed(&mut self, request: &CaptureRequest) -> Result<(), CaptureError> {
        let of_a_mode = |hook: &Hook| hook.mode.is_some();
        if self.mode != HookMode::Auto || !self.needed(request, HookMode::Raw).any(of_a_mode) {
            return self.attach_in_mode(request);
        }
        let mut refused = Vec::new();
        for mode in HookMode::TRIED {
            match self.try_mode(mode, request) {
                Ok(()) => {
                    self.refused = refused;
                    return Ok(());
                }
                Err(error) => refused.push((mode, error)),
            }
        }
        self.mode = HookMode::Auto;
        // Every kernel has the hooks of the last mode, so its error says what is wrong.
        refused.pop().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Attaches the hooks that `request` needs in this mode. If the kernel refuses one, none of the
    /// mode stays: with the hooks of the next mode they would make two events of one.
    pub(super) fn try_mode(
        &mut self,
        mode: HookMode,
        request: &CaptureRequest,
    ) -> Result<(), CaptureError> {
        self.mode = mode;
        let attached = self.attach_in_mode(request);
        if attached.is_err() {
            self.detach_where(|hook| hook.mode == Some(mode));
        }
        attached
    }

    /// The hook modes that the kernel refused, and why.
    #[must_use]
    pub fn refused(&self) -> &[(HookMode, CaptureError)] {
        &self.refused
    }

    /// Whether the programs of a mode run as they should on this kernel.
    pub(super) fn check_mode(&self) -> Result<(), CaptureError> {
        if self.mode == HookMode::Fexit && self.loses_cpu {
            return Err(CaptureError::Preempted);
        }
        Ok(())
    }

    /// Copies the log of the programs into the sensor's log.
    #[cfg(feature = "bpf-log")]
    pub fn take_over_log(&mut self) {
        self.log.take_over();
    }

    /// Detaches all programs, and waits for those that other CPUs are running. Records in the ring
    /// buffer stay there, to be read; no further one comes.
    pub fn detach(&mut self) {
        if self.links.is_empty() {
            return;
        }
        self.detach_where(|_| true);
        // The kernel runs a program in an RCU read section, and this call waits for the end of
        // each (`kernel/sched/membarrier.c`). A kernel with `nohz_full` CPUs refuses the call.
        let _ = membarrier(MembarrierCommand::Global);
    }

    /// Writes the class of a cgroup for the kernel side.
    ///
    /// # Errors
    /// If the kernel refuses to write the map.
    pub fn classify(&mut self, key: CgroupKey, class: CgroupClass) -> Result<(), CaptureError> {
        let (key, class) = ([key.node, key.id], class as u32);
        self.cgroups
            .insert(key, class, 0)
            .map_err(|source| CaptureError::Map {
                map: "CGROUPS",
                source,
            })?;
        if let Some(left) = self.intended.insert(key, class) {
            // If the kernel has evicted the entry meanwhile, nothing is left to remove.
            let _ = self.cgroups.remove(&left);
        }
        Ok(())
    }

    /// Names of the attached programs, once for each of their hooks.
    pub fn attached(&self) -> impl Iterator<Item = &'static str> {
        self.links.iter().map(|(hook, _)| hook.program)
    }

    /// How the sensor hooks system calls.
    #[must_use]
    pub fn mode(&self) -> HookMode {
        self.mode
    }

    /// Puts a request in force. While the names change, the kernel side takes the connects of all
    /// processes, so that no event is missing that old or new rules want.
    pub(super) fn set(&mut self, request: &CaptureRequest) -> Result<(), CaptureError> {
        let mut all = request.clone();
        all.connects.names = None;
        self.put(&all)?;
        let Some(names) = &request.connects.names else {
            return Ok(());
        };
        let refused = |source| CaptureError::Map {
            map: "NAMES",
            source,
        };
        let old: Vec<Name> = self.names.keys().filter_map(Result::ok).collect();
        for name in old.iter().filter(|name| !names.contains(*name)) {
            self.names.remove(name).map_err(refused)?;
        }
        for name in names {
            self.names.insert(name, 1, 0).map_err(refused)?;
        }
        self.put(request)
    }

    fn put(&mut self, request: &CaptureRequest) -> Result<(), CaptureError> {
        let mut settings = Settings {
            marker: self.marker,
            ..request.settings(&self.watched, self.tree, self.mode, self.ring_bytes)
        };
        if self.confined {
            settings.wants |= want::NODE;
        }
        let settings: SettingsWords = zerocopy::transmute!(settings);
        self.applied = settings;
        self.settings
            .set(0, settings, 0)
            .map_err(|source| CaptureError::Map {
                map: "SETTINGS",
                source,
            })
    }
}

/// The programs and maps for this kernel, none of them loaded but the maps. `room` is the number of CPUs,
/// the bytes of argv for which scratch memory has room, and the hooks whose programs have backups.
fn object(
    options: &Options,
    layout: &Layout,
    btf: &Btf,
    typed: bool,
    (cpus, capacity, backups): (u32, u32, u32),
) -> Result<Ebpf, CaptureError> {
    // A cast makes typed pointers.
    let functions = KernelFunctions {
        cast: layout.kernel_functions.cast.filter(|_| typed),
        ..layout.kernel_functions
    };
    let (small, large) = if capacity > ARGV_LIMIT_DEFAULT {
        (1, cpus)
    } else {
        (cpus, 1)
    };
    EbpfLoader::new()
        .btf(Some(btf))
        .override_global("OFFSETS", layout.offsets.as_bytes(), true)
        .override_global("REGS_ON_STACK", &layout.regs_on_stack, true)
        .override_global("TYPED", &u32::from(typed), true)
        .override_global("CASTS", functions.types().as_bytes(), true)
        .override_global("BACKUPS", &backups, true)
        .override_global("ARGV_CAPACITY", &capacity, true)
        .map_max_entries("EVENTS", options.ring_bytes)
        .map_max_entries("COUNTS", cpus)
        .map_max_entries("DONE", if backups == 0 { 1 } else { DONE_MAX })
        .map_max_entries("SCRATCH_EXEC", small)
        .map_max_entries("SCRATCH_FAILED", small)
        .map_max_entries("SCRATCH_CONNECT", cpus)
        .map_max_entries("SCRATCH_ATTEMPT", cpus)
        .map_max_entries("SCRATCH_CALL", cpus)
        .map_max_entries("SCRATCH_EXEC_LARGE", large)
        .map_max_entries("SCRATCH_FAILED_LARGE", large)
        .load(kernel_functions::object(options.object, &functions).as_bytes())
        .map_err(|e| CaptureError::Load(Box::new(e)))
}

/// Takes a map out of the object. The map must live as long as the object, since programs that a
/// reload loads refer to it by its descriptor.
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
