//! The options of the capture, from the configuration.

use config::{Config, Hooks, WantedEnv};
use metadata::{Node, NodeOptions, Whereabouts};
use sensor_ebpf::Kind;

use crate::sources::syscall::{
    capture::{self, Budget, CaptureRequest, HookMode, OwnPlace},
    fields::Needs,
    pipeline::Cgroups,
    rules::Requirements,
};

/// The options of the kernel side, which stay the same from the start on.
#[must_use]
pub fn capture(config: &Config, has_self_test: bool) -> capture::Options {
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
            Hooks::Fexit => HookMode::Fexit,
            Hooks::Perf => HookMode::Perf,
            Hooks::Raw => HookMode::Raw,
        },
        marker: has_self_test,
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
    let mut reach = requirements.reach;
    let mut programs = requirements.programs;
    if config.engine.modern_ebpf.drop_failed_exit {
        reach = reach.without(Kind::ExecFailed);
        programs = programs.without(Kind::ExecFailed);
    }
    // Only an exec says which program a process runs, so the fields of programs need execs that no
    // rule wants.
    let reach = reach.with_where(Kind::Exec, programs);
    let env = requirements.needs.contains(Needs::ENV) && capture.env != WantedEnv::None;
    CaptureRequest {
        reach,
        connects: requirements.connects.clone(),
        argv_limit: limit(capture.argv_limit),
        env_limit: if env {
            limit(capture.env_limit).max(1)
        } else {
            0
        },
        figures: requirements.needs.contains(Needs::FIGURES),
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
