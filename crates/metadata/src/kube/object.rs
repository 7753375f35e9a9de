//! Objects of the API server. The parser drops every member that the sensor does not use.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    Owner, Pod, Probe, ProbeKind,
    counters::Counters,
    labels::{labels as kept, labels_text},
    text::clean,
};

/// Most bytes of a name.
const NAME_MAX: usize = 256;
/// Annotation with the uid of a static pod as the runtime knows it.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";
/// The same annotation on the mirror pod of a static pod.
const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// A list of pods.
#[derive(Debug, Deserialize)]
pub(super) struct PodList {
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) items: Vec<PodObject>,
}

/// A pod; in an ERROR event the status, in a BOOKMARK event only a version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodObject {
    pub(super) metadata: Metadata,
    spec: Spec,
    status: Status,
    pub(super) code: u16,
    pub(super) message: String,
}

/// A failure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusObject {
    pub(super) message: String,
}

/// A line of a watch.
#[derive(Debug, Deserialize)]
pub(super) struct WatchEvent {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) object: Box<PodObject>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    name: String,
    namespace: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerReference {
    kind: String,
    name: String,
    uid: String,
    controller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    service_account_name: Option<String>,
    containers: Option<Vec<ContainerSpec>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerSpec {
    name: String,
    liveness_probe: Option<ProbeSpec>,
    readiness_probe: Option<ProbeSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProbeSpec {
    exec: Option<ExecSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExecSpec {
    command: Option<Vec<String>>,
}

/// Most bytes of a probe's command.
const COMMAND_MAX: usize = 4096;

impl Spec {
    /// The probes that execute a command, except those with an overlong one.
    fn probes(&self) -> Box<[Probe]> {
        let of = |container: &ContainerSpec, kind, probe: &Option<ProbeSpec>| {
            let command = probe.as_ref()?.exec.as_ref()?.command.as_ref()?;
            let len: usize = command.iter().map(|word| word.len() + 1).sum();
            (len <= COMMAND_MAX).then(|| Probe {
                container: clean(&container.name, NAME_MAX),
                kind,
                command: command.iter().map(|word| word.as_str().into()).collect(),
            })
        };
        let probes = self.containers.iter().flatten().flat_map(|container| {
            [
                of(container, ProbeKind::Liveness, &container.liveness_probe),
                of(container, ProbeKind::Readiness, &container.readiness_probe),
            ]
        });
        probes.flatten().collect()
    }
}

/// A pod's status is an object, a failure's a word.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Status {
    Pod {
        #[serde(rename = "podIP")]
        ip: Option<String>,
    },
    Word(serde::de::IgnoredAny),
}

impl Default for Status {
    fn default() -> Self {
        Self::Word(serde::de::IgnoredAny)
    }
}

impl PodObject {
    /// The description that the caches keep, and the pod's uid as the runtime knows it.
    pub(super) fn trim(&self, chosen: &[String], counters: &Counters) -> (Box<str>, Pod) {
        let metadata = &self.metadata;
        let none = BTreeMap::new();
        let own_labels = metadata.labels.as_ref().unwrap_or(&none);
        let annotations = metadata.annotations.as_ref().unwrap_or(&none);
        let controller = self.controller();
        let owner = controller.as_ref().map(|named| owner(named, own_labels));
        let is_mirror = owner.as_ref().is_some_and(|owner| &*owner.kind == "Node");
        let hash = annotations
            .get(CONFIG_HASH)
            .or_else(|| annotations.get(CONFIG_MIRROR))
            .filter(|_| is_mirror);
        let key = clean(hash.unwrap_or(&metadata.uid), NAME_MAX);
        let chosen = annotations.iter().filter(|(key, _)| chosen.contains(*key));
        let labels = kept(own_labels.iter().map(|(k, v)| (&**k, &**v)), counters);
        let text = |text: &Option<String>| {
            text.as_ref()
                .filter(|text| !text.is_empty())
                .map(|text| clean(text, NAME_MAX))
        };
        let pod = Pod {
            name: clean(&metadata.name, NAME_MAX),
            namespace: clean(&metadata.namespace, NAME_MAX),
            uid: key.clone(),
            labels_text: Some(labels_text(&labels)),
            labels,
            annotations: kept(chosen.map(|(k, v)| (&**k, &**v)), counters),
            owner,
            controller,
            service_account: text(&self.spec.service_account_name),
            node: text(&self.spec.node_name),
            ip: match &self.status {
                Status::Pod { ip } => text(ip),
                Status::Word(_) => None,
            },
            probes: Some(self.spec.probes()),
        };
        (key, pod)
    }

    /// The owner that the pod names.
    fn controller(&self) -> Option<Owner> {
        let all = self.metadata.owner_references.as_deref()?;
        let named = all.iter().find(|o| o.controller).or_else(|| all.first())?;
        let uid = clean(&named.uid, NAME_MAX);
        Some(Owner {
            kind: clean(&named.kind, NAME_MAX),
            name: clean(&named.name, NAME_MAX),
            uid: (!uid.is_empty()).then_some(uid),
        })
    }
}

/// The owner of a pod. Where the pod names the `ReplicaSet` of a `Deployment`, this is the
/// `Deployment`: its name is the name of the `ReplicaSet` without the hash of the template.
fn owner(named: &Owner, labels: &BTreeMap<String, String>) -> Owner {
    let deployment = labels
        .get("pod-template-hash")
        .filter(|_| &*named.kind == "ReplicaSet")
        .and_then(|hash| named.name.strip_suffix(hash.as_str())?.strip_suffix('-'))
        .filter(|name| !name.is_empty());
    match deployment {
        Some(name) => Owner {
            kind: "Deployment".into(),
            name: name.into(),
            uid: None,
        },
        None => named.clone(),
    }
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
