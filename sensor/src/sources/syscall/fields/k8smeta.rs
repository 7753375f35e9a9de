//! `k8smeta.*`: Falco's plugin of that name, as far as the pod and its owner references tell.
//!
//! What only other objects of the API server tell (services, labels of namespaces and owners) is
//! among the fields without a value.

use bumpalo::collections::String;
use metadata::{Owner, Pod};

use super::{
    ArgumentKind, Context, Field, Value,
    k8s::{from_api, of_pods, pair, pod, text},
};

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    of_pods("k8smeta.pod.name", "The same as `k8s.pod.name`.", |c, _| {
        text(c, |pod| Some(&pod.name))
    }),
    of_pods("k8smeta.pod.uid", "The same as `k8s.pod.uid`.", |c, _| {
        text(c, |pod| Some(&pod.uid))
    }),
    of_pods("k8smeta.ns.name", "The same as `k8s.ns.name`.", |c, _| {
        text(c, |pod| Some(&pod.namespace))
    }),
    Field {
        argument: ArgumentKind::Name,
        ..from_api(
            "k8smeta.pod.label",
            "A label of the pod: `k8smeta.pod.label[app]`.",
            |c, argument| pair(c, argument, |pod| &pod.labels),
        )
    },
    from_api(
        "k8smeta.pod.labels",
        "Labels of the pod sorted by key: `(key:value,key:value)`.",
        |c, _| labels(c),
    ),
    from_api(
        "k8smeta.pod.ip",
        "Address of the pod; from the API server.",
        |c, _| text(c, |pod| pod.ip.as_deref()),
    ),
    from_api(
        "k8smeta.deployment.name",
        "Deployment that made the pod; from the API server.",
        |c, _| text(c, |pod| name(pod.owner.as_ref(), "Deployment")),
    ),
    from_api(
        "k8smeta.rs.name",
        "ReplicaSet of the pod; from the API server.",
        |c, _| text(c, |pod| name(pod.controller.as_ref(), "ReplicaSet")),
    ),
    from_api(
        "k8smeta.rs.uid",
        "Uid of the pod's ReplicaSet; from the API server.",
        |c, _| text(c, |pod| uid(pod, "ReplicaSet")),
    ),
    from_api(
        "k8smeta.rc.name",
        "ReplicationController of the pod; from the API server.",
        |c, _| {
            text(c, |pod| {
                name(pod.controller.as_ref(), "ReplicationController")
            })
        },
    ),
    from_api(
        "k8smeta.rc.uid",
        "Uid of the pod's ReplicationController; from the API server.",
        |c, _| text(c, |pod| uid(pod, "ReplicationController")),
    ),
];

/// The owner, if it is of that kind.
fn of_kind<'a>(owner: Option<&'a Owner>, kind: &str) -> Option<&'a Owner> {
    owner.filter(|owner| &*owner.kind == kind)
}

fn name<'a>(owner: Option<&'a Owner>, kind: &str) -> Option<&'a str> {
    of_kind(owner, kind).map(|owner| &*owner.name)
}

fn uid<'a>(pod: &'a Pod, kind: &str) -> Option<&'a str> {
    of_kind(pod.controller.as_ref(), kind)?.uid.as_deref()
}

fn labels<'a>(c: &Context<'a>) -> Value<'a> {
    let Some(pod) = pod(c).filter(|pod| !pod.labels.is_empty()) else {
        return Value::Absent;
    };
    let mut out = String::new_in(c.arena);
    for (key, value) in &pod.labels {
        out.push(if out.is_empty() { '(' } else { ',' });
        out.push_str(key);
        out.push(':');
        out.push_str(value);
    }
    out.push(')');
    Value::Str(out.into_bump_str())
}
