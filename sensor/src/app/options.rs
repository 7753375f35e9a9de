//! The options of each part of the process, from the configuration.

use config::{Config, Sensor, Toggle};
use events::PendingOptions;
use metadata::{
    CacheOptions, Engine, KubeAccess, KubeOptions, MetadataOptions, RuntimeOptions, RuntimeSocket,
    UsersOptions,
};
use outputs::AlertOptions;

use crate::sources::syscall::{
    fields::Environment,
    rules::{self, SUGGESTED_OUTPUT, Select, Selection},
};

/// Options for container runtimes and the API server.
#[must_use]
pub(super) fn metadata(config: &Config) -> MetadataOptions {
    let sensor = &config.sensor;
    let kube = &sensor.kube;
    let defaults = RuntimeOptions::default();
    let namespaces = &sensor.containerd.namespaces;
    MetadataOptions {
        runtimes: RuntimeOptions {
            sockets: sockets(sensor),
            host_root: Some(sensor.host_root.clone()).filter(|root| root.as_os_str() != "/"),
            namespaces: if namespaces.is_empty() {
                defaults.namespaces
            } else {
                namespaces.clone()
            },
            ..defaults
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
            label_max_len: usize::try_from(sensor.label_max_len).unwrap_or(usize::MAX),
            ..CacheOptions::default()
        },
    }
}

/// The sockets of container runtimes: those that the configuration names, otherwise the known ones.
/// The sensor can do without a socket, unless the configuration asks for the runtime (`true`).
fn sockets(sensor: &Sensor) -> Vec<RuntimeSocket> {
    let root = Some(&*sensor.host_root);
    let Sensor {
        containerd,
        cri,
        docker,
        podman,
        ..
    } = sensor;
    let known = |engine| RuntimeSocket::known(engine, root);
    let of = |engine| match engine {
        Engine::Docker => (docker.enabled, &docker.sockets),
        Engine::Podman => (podman.enabled, &podman.sockets),
        Engine::Containerd => (containerd.enabled, &containerd.sockets),
        Engine::Cri => (cri.enabled, &cri.sockets),
    };
    let all = Engine::ALL.into_iter().flat_map(|engine| {
        let (enabled, named) = of(engine);
        let sockets: Vec<_> = match enabled {
            Toggle::Off => Vec::new(),
            _ if named.is_empty() => known(engine).collect(),
            _ => named
                .iter()
                .map(|path| {
                    let mut everywhere = Engine::ALL.into_iter().flat_map(known);
                    let found = everywhere.find(|socket| socket.is_at(path));
                    found.unwrap_or_else(|| RuntimeSocket::required(engine, path))
                })
                .collect(),
        };
        sockets.into_iter().map(move |socket| RuntimeSocket {
            is_required: enabled == Toggle::On,
            ..socket
        })
    });
    all.collect()
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
            outlines: false,
            leave_out_invalid: false,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The sockets of a configuration: runtime, path, whether it is required.
    fn found(change: impl FnOnce(&mut Sensor)) -> Vec<(&'static str, String, bool)> {
        let mut config = Config::default();
        for engine in [&mut config.sensor.docker, &mut config.sensor.podman] {
            engine.enabled = Toggle::Off;
        }
        config.sensor.cri.enabled = Toggle::Off;
        config.sensor.containerd.enabled = Toggle::Off;
        change(&mut config.sensor);
        let all = metadata(&config).runtimes.sockets.into_iter();
        all.map(|s| (s.engine.name(), s.path.display().to_string(), s.is_required))
            .collect()
    }

    #[test]
    fn a_runtime_that_is_off_has_no_socket_and_one_that_is_on_must_answer() {
        assert!(found(|_| {}).is_empty());
        let docker = "/run/docker.sock".to_owned();
        let auto = found(|sensor| sensor.docker.enabled = Toggle::Auto);
        assert_eq!(auto, [("docker", docker.clone(), false)]);
        let on = found(|sensor| sensor.docker.enabled = Toggle::On);
        assert_eq!(on, [("docker", docker, true)]);
    }

    #[test]
    fn a_known_socket_is_its_own_runtimes_whoever_names_it() {
        let sockets = found(|sensor| {
            sensor.cri.enabled = Toggle::Auto;
            sensor.cri.sockets = vec![
                "/run/containerd/containerd.sock".into(),
                "/var/run/crio/crio.sock".into(),
                "/srv/other.sock".into(),
            ];
        });
        let expected = [
            ("containerd", "/run/containerd/containerd.sock", false),
            ("cri", "/run/crio/crio.sock", false),
            ("cri", "/srv/other.sock", false),
        ];
        assert_eq!(
            sockets,
            expected.map(|(name, path, required)| (name, path.to_owned(), required))
        );
    }
}
