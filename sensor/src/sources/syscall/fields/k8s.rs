//! `k8s.*`: the pod of the process.
//!
//! Name, namespace, uid and labels come from the container runtime. The other facts (owner, service
//! account, annotations, node, address, labels changed later) come from the API server, and are
//! null without it.

use metadata::{ContainerId, ContainerState, Pod, label};

use super::{Argument, ArgumentKind, Context, Field, Needs, Type, Value, container::known};

pub(super) const fn of_pods(
    name: &'static str,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field::new(name, Type::String, Needs::CONTAINER, doc, get)
}

pub(super) const fn from_api(
    name: &'static str,
    doc: &'static str,
    get: for<'a> fn(&Context<'a>, &Argument) -> Value<'a>,
) -> Field {
    Field {
        needs: Needs::CONTAINER.union(Needs::POD),
        ..of_pods(name, doc, get)
    }
}

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    of_pods("k8s.pod.name", "Name of the pod.", |c, _| {
        text(c, |pod| Some(&pod.name))
    }),
    of_pods("k8s.ns.name", "Namespace of the pod.", |c, _| {
        text(c, |pod| Some(&pod.namespace))
    }),
    of_pods(
        "k8s.pod.uid",
        "Uid of the pod; of a static pod the hash of its file.",
        |c, _| text(c, |pod| Some(&pod.uid)),
    ),
    of_pods("k8s.pod.id", "The same as `k8s.pod.uid`.", |c, _| {
        text(c, |pod| Some(&pod.uid))
    }),
    from_api(
        "k8s.pod.labels",
        "Labels of the pod sorted by key, `key:value` joined by `, `; without those of Kubernetes itself and those longer than 100 characters. Empty outside of containers.",
        |c, _| match c.container {
            ContainerState::Host => Value::Str(""),
            _ => text(c, |pod| pod.labels_text.as_deref()),
        },
    ),
    Field {
        argument: ArgumentKind::Name,
        ..from_api(
            "k8s.pod.label",
            "A label of the pod: `k8s.pod.label[app]`.",
            |c, argument| pair(c, argument, |pod| &pod.labels),
        )
    },
    Field {
        argument: ArgumentKind::Name,
        ..from_api(
            "k8s.pod.annotation",
            "An annotation of the pod, of those that the configuration chooses; from the API server.",
            |c, argument| pair(c, argument, |pod| &pod.annotations),
        )
    },
    of_pods(
        "k8s.pod.sandbox_id",
        "First 12 characters of the id of the pod's sandbox; empty outside of containers.",
        |c, _| sandbox(c, ContainerId::short),
    ),
    of_pods(
        "k8s.pod.full_sandbox_id",
        "Id of the pod's sandbox; empty outside of containers.",
        |c, _| sandbox(c, ContainerId::full),
    ),
    from_api(
        "k8s.pod.ip",
        "Address of the pod; from the API server.",
        |c, _| text(c, |pod| pod.ip.as_deref()),
    ),
    from_api("container.ip", "The same as `k8s.pod.ip`.", |c, _| {
        text(c, |pod| pod.ip.as_deref())
    }),
    from_api(
        "k8s.pod.service_account",
        "Service account of the pod; from the API server.",
        |c, _| text(c, |pod| pod.service_account.as_deref()),
    ),
    from_api(
        "k8s.node.name",
        "Node of the pod; from the API server.",
        |c, _| text(c, |pod| pod.node.as_deref()),
    ),
    from_api(
        "k8s.owner.kind",
        "Kind of what made the pod, a Deployment rather than its ReplicaSet; from the API server.",
        |c, _| text(c, |pod| pod.owner.as_ref().map(|owner| &*owner.kind)),
    ),
    from_api(
        "k8s.owner.name",
        "Name of what made the pod, a Deployment rather than its ReplicaSet; from the API server.",
        |c, _| text(c, |pod| pod.owner.as_ref().map(|owner| &*owner.name)),
    ),
    from_api(
        "k8s.deployment.name",
        "Deployment that made the pod; from the API server.",
        |c, _| {
            text(c, |pod| {
                let owner = pod.owner.as_ref()?;
                (&*owner.kind == "Deployment").then_some(&*owner.name)
            })
        },
    ),
];

type Labels = [(Box<str>, Box<str>)];

pub(super) fn pod<'a>(context: &Context<'a>) -> Option<&'a Pod> {
    known(context)?.pod.as_deref()
}

pub(super) fn text<'a>(context: &Context<'a>, get: fn(&'a Pod) -> Option<&'a str>) -> Value<'a> {
    pod(context).and_then(get).map_or(Value::Absent, Value::Str)
}

pub(super) fn pair<'a>(
    context: &Context<'a>,
    argument: &Argument,
    get: fn(&'a Pod) -> &'a Labels,
) -> Value<'a> {
    match (pod(context), argument) {
        (Some(pod), Argument::Name(key)) => label(get(pod), key).map_or(Value::Absent, Value::Str),
        _ => Value::Absent,
    }
}

fn sandbox<'a>(context: &Context<'a>, form: fn(&'a ContainerId) -> &'a str) -> Value<'a> {
    match context.container {
        ContainerState::Host => Value::Str(""),
        ContainerState::Unknown(_) => Value::Absent,
        ContainerState::Known(container) => match &container.sandbox {
            Some(id) if container.pod.is_some() => Value::Str(form(id)),
            _ => Value::Absent,
        },
    }
}
