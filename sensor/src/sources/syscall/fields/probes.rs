//! The commands that ask a container how it is: probes of Kubernetes, which are in the pod's
//! specification that the API server has, and health checks of Docker and Podman.

use bumpalo::collections::String;
use metadata::{ContainerState, Probe, ProbeKind};

use super::{Context, Field, Needs, Type, Value, container::known, registry::Getter};

const fn command_of(name: &'static str, doc: &'static str, get: Getter) -> Field {
    let needs = Needs::CONTAINER.union(Needs::POD);
    Field::new(name, Type::String, needs, doc, get)
}

const fn is_of(name: &'static str, doc: &'static str, get: Getter) -> Field {
    let needs = Needs::CONTAINER.union(Needs::POD).union(Needs::PROGRAM);
    Field::new(name, Type::Bool, needs, doc, get)
}

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    command_of(
        "container.liveness_probe",
        "Command of the container's liveness probe; null if the probe has none. From the API server.",
        |c, _| command(c, ProbeKind::Liveness),
    ),
    command_of(
        "container.readiness_probe",
        "Command of the container's readiness probe; null if the probe has none. From the API server.",
        |c, _| command(c, ProbeKind::Readiness),
    ),
    is_of(
        "proc.is_container_liveness_probe",
        "Whether the runtime started the process as the container's liveness probe; false outside of containers. From the API server.",
        |c, _| is(c, ProbeKind::Liveness),
    ),
    is_of(
        "proc.is_container_readiness_probe",
        "Whether the runtime started the process as the container's readiness probe; false outside of containers. From the API server.",
        |c, _| is(c, ProbeKind::Readiness),
    ),
    Field::new(
        "container.healthcheck",
        Type::String,
        Needs::CONTAINER,
        "Command line of the container's health check, `NONE` if the check is switched off; null if the container has none. Of Docker and Podman.",
        |c, _| match known(c).and_then(|container| container.healthcheck.as_deref()) {
            Some([]) => Value::Str("NONE"),
            Some(words) => line(c, words),
            None => Value::Absent,
        },
    ),
    Field::new(
        "proc.is_container_healthcheck",
        Type::Bool,
        Needs::CONTAINER.union(Needs::PROGRAM),
        "Whether the runtime started the process as the container's health check; false outside of containers.",
        |c, _| match c.container {
            ContainerState::Host => Value::Bool(false),
            ContainerState::Unknown(_) => Value::Absent,
            ContainerState::Known(container) => match (&container.healthcheck, c.program()) {
                (None, _) => Value::Bool(false),
                (Some(_), None) => Value::Absent,
                (Some(words), Some(program)) => {
                    let is = program
                        .argv
                        .iter()
                        .eq(words.iter().map(|word| word.as_bytes()));
                    Value::Bool(is && is_from_outside(c))
                }
            },
        },
    ),
];

/// The probes of the event's container that execute a command; none if the sensor has no description
/// of the pod from the API server.
fn probes<'a>(c: &Context<'a>) -> Option<impl Iterator<Item = &'a Probe> + use<'a>> {
    let container = known(c)?;
    let probes = container.pod.as_ref()?.probes.as_ref()?;
    let name = container.name.as_deref()?;
    let probes = probes.iter();
    Some(probes.filter(move |probe| *probe.container == *name))
}

fn command<'a>(c: &Context<'a>, kind: ProbeKind) -> Value<'a> {
    let probe = probes(c).and_then(|mut probes| probes.find(|probe| probe.kind == kind));
    probe.map_or(Value::Absent, |probe| line(c, &probe.command))
}

/// A command line as one text.
fn line<'a>(c: &Context<'a>, words: &'a [Box<str>]) -> Value<'a> {
    let mut text = String::new_in(c.arena);
    for (n, word) in words.iter().enumerate() {
        if n > 0 {
            text.push(' ');
        }
        text.push_str(c.text(word.as_bytes()));
    }
    Value::Str(text.into_bump_str())
}

fn is(c: &Context<'_>, kind: ProbeKind) -> Value<'static> {
    if matches!(c.container, ContainerState::Host) {
        return Value::Bool(false);
    }
    let (Some(mut probes), Some(program)) = (probes(c), c.program()) else {
        return Value::Absent;
    };
    let is = probes.any(|probe| {
        let words = probe.command.iter().map(|word| word.as_bytes());
        probe.kind == kind && program.argv.iter().eq(words)
    });
    Value::Bool(is && is_from_outside(c))
}

/// Whether the parent is in the initial pid namespace, as a runtime is: a process of the container
/// cannot pass for a probe by taking its command line.
fn is_from_outside(c: &Context<'_>) -> bool {
    c.ancestor(1)
        .is_some_and(|parent| parent.vtgid == parent.tgid)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bumpalo::Bump;
    use metadata::{Container, ContainerId, Domains, Pod, Users};

    use super::*;
    use crate::sources::syscall::{
        event::{Event, builder::RecordBuilder},
        fields::{Environment, FieldRef, Memo},
        lineage::Lineage,
    };

    /// A container whose pod has a liveness probe for it, and one for another container.
    fn container(from_api: bool) -> Container {
        let id = ContainerId::new(&"0123456789ab".repeat(6).as_bytes()[..64]).unwrap();
        let probe = |container: &str, command: &[&str]| Probe {
            container: container.into(),
            kind: ProbeKind::Liveness,
            command: command.iter().map(|word| (*word).into()).collect(),
        };
        let probes = || {
            Box::new([
                probe("side", &["true"]),
                probe("main", &["cat", "/tmp/up", ""]),
            ])
        };
        Container {
            name: Some("main".into()),
            pod: Some(Arc::new(Pod {
                probes: from_api.then(|| probes() as Box<[Probe]>),
                ..Pod::default()
            })),
            ..Container::new(id, "containerd")
        }
    }

    fn text(
        record: &RecordBuilder,
        container: ContainerState<'_>,
        field: &str,
    ) -> std::string::String {
        let bytes = record.build();
        let event = Event::decode(&bytes).unwrap();
        let mut out = Vec::new();
        let context = Context {
            event: &event,
            arena: &Bump::new(),
            number: 1,
            time: 1,
            boot_to_utc: 0,
            hostname: "node",
            boot_id: 1,
            container,
            env: &Environment::ALL,
            lineage: &Lineage::default(),
            users: &Users::default(),
            domains: &Domains::default(),
            memo: Memo::default(),
        };
        FieldRef::parse(field)
            .unwrap()
            .get(&context)
            .write_text(&mut out);
        std::string::String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_process_that_the_runtime_starts_with_the_probes_command_is_the_probe() {
        let known = container(true);
        let is = |record: &RecordBuilder, field: &str| {
            text(record, ContainerState::Known(&known), field)
        };
        let live = "proc.is_container_liveness_probe";
        let probe = RecordBuilder::exec("/bin/cat", &["cat", "/tmp/up", ""]);
        assert_eq!(is(&probe, live), "true");
        assert_eq!(is(&probe, "proc.is_container_readiness_probe"), "false");
        assert_eq!(is(&probe, "container.liveness_probe"), "cat /tmp/up ");
        assert_eq!(is(&probe, "container.readiness_probe"), "<NA>");
        for argv in [
            &["cat", "/tmp/up"][..],
            &["true"],
            &["cat", "/tmp/up", "", ""],
        ] {
            assert_eq!(is(&RecordBuilder::exec("/bin/cat", argv), live), "false");
        }
        let mut imitated = probe.clone();
        imitated.ancestors[0].vtgid = 7;
        assert_eq!(
            is(&imitated, live),
            "false",
            "its parent is in the container"
        );
    }

    #[test]
    fn a_process_that_the_runtime_starts_with_the_command_of_the_health_check_is_the_check() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).into()).collect();
        let with = |healthcheck| Container {
            healthcheck,
            ..container(false)
        };
        let known = with(Some(words(&["/bin/sh", "-c", "test -e /up"])));
        let is = |record: &RecordBuilder, known: &Container, field: &str| {
            text(record, ContainerState::Known(known), field)
        };
        let check = "proc.is_container_healthcheck";
        let process = RecordBuilder::exec("/bin/sh", &["/bin/sh", "-c", "test -e /up"]);
        assert_eq!(is(&process, &known, check), "true");
        let field = "container.healthcheck";
        assert_eq!(is(&process, &known, field), "/bin/sh -c test -e /up");
        let other = RecordBuilder::exec("/bin/sh", &["/bin/sh", "-c", "test"]);
        assert_eq!(is(&other, &known, check), "false");
        let mut imitated = process.clone();
        imitated.ancestors[0].vtgid = 7;
        assert_eq!(is(&imitated, &known, check), "false", "of the container");
        assert_eq!(is(&process, &with(None), check), "false");
        assert_eq!(is(&process, &with(None), field), "<NA>");
        let off = with(Some(words(&[])));
        assert_eq!(is(&process, &off, check), "false");
        assert_eq!(is(&process, &off, field), "NONE");
    }

    #[test]
    fn without_the_api_server_nothing_is_known_of_probes() {
        let probe = RecordBuilder::exec("/bin/cat", &["cat", "/tmp/up", ""]);
        let live = "proc.is_container_liveness_probe";
        let (unknown, id) = (container(false), container(true).id);
        assert_eq!(text(&probe, ContainerState::Known(&unknown), live), "<NA>");
        assert_eq!(text(&probe, ContainerState::Unknown(id), live), "<NA>");
        assert_eq!(text(&probe, ContainerState::Host, live), "false");
    }
}
