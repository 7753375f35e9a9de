//! The options of the capture, from the configuration.

use config::{Config, Hooks, WantedEnv};
use metadata::{Node, NodeOptions, Whereabouts};
use sensor_ebpf::{Kind, Kinds};

use crate::sources::syscall::{
    capture::{self, Budget, CaptureRequest, HookMode, OwnPlace},
    fields::Needs,
    pipeline::Cgroups,
    rules::{Reach, Requirements},
    self_test::Marker,
};

/// The options of the kernel side, which stay the same from the start on.
#[must_use]
pub fn capture(config: &Config, marker: &Marker) -> capture::Options {
    let tree = &config.sensor.capture.tree;
    let root = tree.root.unwrap_or_else(std::process::id);
    capture::Options {
        object: capture::BPF_OBJECT,
        backups: None,
        typed: true,
        ring_bytes: config.engine.modern_ebpf.ring_bytes(),
        argv_capacity: limit(config.sensor.capture.argv_limit),
        tree: match tree.mode {
            config::TreeMode::All => capture::TreeMode::All,
            config::TreeMode::Exclude => capture::TreeMode::Exclude(root),
            config::TreeMode::Only => capture::TreeMode::Only(root),
        },
        hooks: match config.sensor.capture.hooks {
            Hooks::Auto => HookMode::Auto,
            Hooks::Perf => HookMode::Perf,
            Hooks::Raw => HookMode::Raw,
        },
        marker: marker.pid(),
    }
}

/// The owners of cgroups on the node where the sensor runs.
#[must_use]
pub fn cgroups(config: &Config, place: Option<&OwnPlace>, namespaces: Vec<String>) -> Cgroups {
    let options = match &config.sensor.node_cgroup {
        Some(path) => NodeOptions::Below(path.clone()),
        None => NodeOptions::Auto,
    };
    let whereabouts = place.map(|OwnPlace { sensor, first }| Whereabouts {
        sensor: sensor.cgroup(),
        first: first.cgroup(),
        is_own: [sensor.tgid, sensor.parent].contains(&first.tgid),
    });
    Cgroups::new(Node::find(&options, whereabouts, &namespaces), namespaces)
}

/// What the kernel side must send for these rules.
#[must_use]
pub fn capture_request(config: &Config, requirements: &Requirements) -> CaptureRequest {
    let capture = &config.sensor.capture;
    let fails = !config.engine.modern_ebpf.drop_failed_exit;
    let reported = |kind| fails || kind != Kind::ExecFailed;
    let programs = Kind::ALL.into_iter().filter(|kind| reported(*kind));
    let programs = programs.map(|kind| requirements.program(kind));
    // Only an exec says which program a process runs, so the fields of programs need execs that no
    // rule wants.
    let exec = programs.fold(requirements.reach(Kind::Exec), Reach::or);
    let reach = |kind| match kind {
        Kind::Exec => exec,
        _ if reported(kind) => requirements.reach(kind),
        _ => Reach::default(),
    };
    let of = |chosen: fn(Reach) -> bool| {
        let choose = |all: Kinds, kind| all.with_if(kind, chosen(reach(kind)));
        Kind::ALL.into_iter().fold(Kinds::NONE, choose)
    };
    let env = requirements.needs.contains(Needs::ENV) && capture.env != WantedEnv::None;
    CaptureRequest {
        kinds: of(Reach::any),
        host: of(|reach| reach.host),
        container: of(|reach| reach.container),
        unix: requirements.unix,
        inet: requirements.inet,
        loopback: requirements.loopback,
        other_families: requirements.other_families,
        connect_names: requirements.connect_names.clone(),
        argv_limit: limit(capture.argv_limit),
        env_limit: if env { limit(capture.env_limit) } else { 0 },
        ancestors: requirements.ancestors.max(1),
        budget: budget(config),
    }
}

fn budget(config: &Config) -> Budget {
    let fairness = &config.sensor.fairness;
    if fairness.enabled {
        Budget {
            rate: fairness.rate,
            burst: fairness.burst,
        }
    } else {
        Budget::NONE
    }
}

fn limit(size: config::ByteSize) -> u32 {
    u32::try_from(size.0).unwrap_or(u32::MAX)
}
