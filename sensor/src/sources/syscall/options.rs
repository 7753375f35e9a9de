//! The configuration, as the capture wants it.

use config::{Config, Hooks, WantedEnv};
use sensor_ebpf::{Kind, Kinds};

use crate::sources::syscall::{
    capture::{self, Budget, HookMode, Wants},
    fields::Needs,
    rules::{Reach, Requirements},
    self_test::Marker,
};

/// For the kernel side, fixed at start.
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

/// What the kernel side is to send for these rules.
#[must_use]
pub fn wants(config: &Config, requirements: &Requirements) -> Wants {
    let Requirements {
        exec,
        exec_failed,
        exec_failed_program,
        connect,
        connect_program,
        unix,
        inet,
        loopback,
        other_families,
        ref connect_names,
        needs,
        ancestors,
        ancestor_programs: _,
    } = *requirements;
    let capture = &config.sensor.capture;
    let fails = exec_failed.any() && !config.engine.modern_ebpf.drop_failed_exit;
    // Which program a process runs is told by its exec, also where no rule wants that.
    let exec = exec.or(connect_program).or(if fails {
        exec_failed_program
    } else {
        Reach::default()
    });
    let reach = |kind| match kind {
        Kind::Exec => exec,
        Kind::ExecFailed if fails => exec_failed,
        Kind::ExecFailed => Reach::default(),
        Kind::Connect => connect,
    };
    let of = |chosen: fn(Reach) -> bool| {
        let choose = |all: Kinds, kind| all.with_if(kind, chosen(reach(kind)));
        Kind::ALL.into_iter().fold(Kinds::NONE, choose)
    };
    let env = needs.contains(Needs::ENV) && capture.env != WantedEnv::None;
    Wants {
        kinds: of(Reach::any),
        host: of(|reach| reach.host),
        container: of(|reach| reach.container),
        unix,
        inet,
        loopback,
        other_families,
        connect_names: connect_names.clone(),
        argv_limit: limit(capture.argv_limit),
        env_limit: if env { limit(capture.env_limit) } else { 0 },
        ancestors: ancestors.max(1),
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
