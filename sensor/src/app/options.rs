//! The options of each part of the process, from the configuration.

use config::{Config, Toggle};
use events::PendingOptions;
use metadata::{
    CacheOptions, ContainerdOptions, KubeAccess, KubeOptions, MetadataOptions, UsersOptions,
};
use outputs::AlertOptions;

use crate::sources::syscall::{
    fields::Environment,
    rules::{self, SUGGESTED_OUTPUT, Select, Selection},
};

/// Options for containerd and the API server.
#[must_use]
pub(super) fn metadata(config: &Config) -> MetadataOptions {
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
            // The known sockets are below the host's root, wherever that root is mounted.
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

/// Options for the hold.
#[must_use]
pub(super) fn hold(config: &Config) -> PendingOptions {
    let hold = &config.sensor.hold;
    PendingOptions {
        time: hold.timeout.0,
        events: usize::try_from(hold.max_events).unwrap_or(usize::MAX),
        bytes: usize::try_from(hold.max_bytes.0).unwrap_or(usize::MAX),
    }
}

/// Options for the names of users and groups.
#[must_use]
pub(super) fn users(config: &Config) -> UsersOptions {
    UsersOptions {
        proc: config.sensor.proc_root.clone(),
        host_root: config.sensor.host_root.clone(),
        ..UsersOptions::default()
    }
}

/// Options for the form of alerts.
#[must_use]
pub(super) fn alerts(config: &Config) -> AlertOptions {
    AlertOptions {
        json: config.json_output,
        include_output: config.json_include_output_property,
        include_message: config.json_include_message_property,
        include_output_fields: config.json_include_output_fields_property,
        include_tags: config.json_include_tags_property,
        iso_time: config.time_format_iso_8601,
    }
}

/// Options for loading rules.
#[must_use]
pub(super) fn rules(config: &Config) -> rules::Options {
    rules::Options {
        rules: falco_rules::Options {
            matching: match config.rule_matching {
                config::RuleMatching::First => rules::Matching::First,
                config::RuleMatching::All => rules::Matching::All,
            },
            priority: config.priority,
            selection: config.rules.iter().flat_map(selections).collect(),
            append_output: config.append_output.iter().map(append).collect(),
        },
        env: Environment {
            variables: config.sensor.capture.env.clone(),
            printed: usize::try_from(config.sensor.capture.env_limit.0).unwrap_or(usize::MAX),
        },
    }
}

fn selections(switch: &config::RuleSwitch) -> impl Iterator<Item = Selection> {
    let text = |text: &String| text.as_str().into();
    let rule = switch.rule.as_ref().map(text).map(Select::Name);
    let tag = switch.tag.as_ref().map(text).map(Select::Tag);
    let enable = switch.enable;
    let select = rule.into_iter().chain(tag);
    select.map(move |select| Selection { enable, select })
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
