//! The configuration, as each part wants it.

use sensor_ebpf::{Kind, Kinds};

use crate::{
    capture::{self, Budget, HookMode, Wants},
    config::{self, Config, Hooks, Toggle, WantedEnv, WhichRules},
    enrich::{
        CacheOptions, ContainerdOptions, HoldOptions, KubeAccess, KubeOptions, MetadataOptions,
        UsersOptions,
    },
    fields::Needs,
    output::AlertOptions,
    rules::{self, Reach, Requirements, SUGGESTED_OUTPUT, Select, Selection},
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
    let capture = &config.sensor.capture;
    let fails = !config.engine.modern_ebpf.drop_failed_exit;
    let told = |kind| fails || kind != Kind::ExecFailed;
    let programs = Kind::ALL.into_iter().filter(|kind| told(*kind));
    let programs = programs.map(|kind| requirements.program(kind));
    // Which program a process runs is told by its exec, also where no rule wants that.
    let exec = programs.fold(requirements.reach(Kind::Exec), Reach::or);
    let reach = |kind| match kind {
        Kind::Exec => exec,
        _ if told(kind) => requirements.reach(kind),
        _ => Reach::default(),
    };
    let of = |chosen: fn(Reach) -> bool| {
        let choose = |all: Kinds, kind| all.with_if(kind, chosen(reach(kind)));
        Kind::ALL.into_iter().fold(Kinds::NONE, choose)
    };
    let env = requirements.needs.contains(Needs::ENV) && capture.env != WantedEnv::None;
    Wants {
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

/// For containerd and the API server.
#[must_use]
pub fn metadata(config: &Config) -> MetadataOptions {
    let sensor = &config.sensor;
    let containerd = &sensor.containerd;
    let kube = &sensor.kube;
    let defaults = ContainerdOptions::default();
    let or = |list: &Vec<String>, default: Vec<String>| {
        if list.is_empty() {
            default
        } else {
            list.clone()
        }
    };
    MetadataOptions {
        containerd: ContainerdOptions {
            enabled: containerd.enabled,
            // The known ones stand under the host's root, wherever that is mounted.
            sockets: if containerd.sockets.is_empty() {
                defaults.sockets
            } else {
                containerd.sockets.clone()
            },
            host_root: Some(sensor.host_root.clone()).filter(|root| root.as_os_str() != "/"),
            namespaces: or(&containerd.namespaces, defaults.namespaces),
            ..ContainerdOptions::default()
        },
        kube: KubeOptions {
            enabled: kube.enabled != Toggle::Off,
            access: match &kube.kubeconfig {
                Some(file) => KubeAccess::Kubeconfig(file.clone()),
                None if kube.enabled == Toggle::On => KubeAccess::InCluster,
                None => KubeAccess::Auto,
            },
            node: kube.node.clone().or_else(|| sensor.node.clone()),
            annotations: kube.annotations.clone(),
            ..KubeOptions::default()
        },
        cache: CacheOptions {
            deleted: kube.deletion_delay.0,
            ..CacheOptions::default()
        },
    }
}

/// For the events that wait.
#[must_use]
pub fn hold(config: &Config) -> HoldOptions {
    let hold = &config.sensor.hold;
    HoldOptions {
        time: hold.timeout.0,
        events: usize::try_from(hold.max_events).unwrap_or(usize::MAX),
        bytes: usize::try_from(hold.max_bytes.0).unwrap_or(usize::MAX),
    }
}

/// For the names of users and groups.
#[must_use]
pub fn users(config: &Config) -> UsersOptions {
    UsersOptions {
        proc: config.sensor.proc_root.clone(),
        host_root: config.sensor.host_root.clone(),
        ..UsersOptions::default()
    }
}

/// For the lines.
#[must_use]
pub fn alerts(config: &Config) -> AlertOptions {
    AlertOptions {
        json: config.json_output,
        include_output: config.json_include_output_property,
        include_message: config.json_include_message_property,
        include_output_fields: config.json_include_output_fields_property,
        include_tags: config.json_include_tags_property,
        iso_time: config.time_format_iso_8601,
    }
}

/// For the rules.
#[must_use]
pub fn rules(config: &Config) -> rules::Options {
    rules::Options {
        rules: falco_rules::Options {
            matching: match config.rule_matching {
                config::RuleMatching::First => rules::Matching::First,
                config::RuleMatching::All => rules::Matching::All,
            },
            priority: priority(config.priority),
            selection: config.rules.iter().map(selection).collect(),
            append_output: config.append_output.iter().map(append).collect(),
        },
        env: config.sensor.capture.env.clone(),
    }
}

fn selection(switch: &config::RuleSwitch) -> Selection {
    Selection {
        enable: switch.enable,
        select: match &switch.rules {
            WhichRules::Named(name) => Select::Name(name.as_str().into()),
            WhichRules::Tagged(tag) => Select::Tag(tag.as_str().into()),
        },
    }
}

fn append(entry: &config::AppendOutput) -> rules::AppendOutput {
    let text = |text: &String| -> Box<str> { text.as_str().into() };
    let bare = entry.extra_fields.iter().map(|field| (text(field), None));
    let templates = entry.extra_templates.iter();
    let templates = templates.map(|(key, template)| (text(key), Some(text(template))));
    let extra = entry.extra_output.iter().map(text);
    let suggested = entry.suggested_output.then(|| SUGGESTED_OUTPUT.into());
    rules::AppendOutput {
        source: entry.source.as_ref().map(text),
        tags: entry.tags.iter().map(text).collect(),
        rule: entry.rule.as_ref().map(text),
        extra_output: extra.chain(suggested).collect(),
        extra_fields: bare.chain(templates).collect(),
    }
}

fn priority(priority: config::Priority) -> rules::Priority {
    let number = priority as usize;
    rules::Priority::ALL
        .get(number)
        .copied()
        .unwrap_or(rules::Priority::Debug)
}
