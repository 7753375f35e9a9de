//! Objects of the API server. The parser drops every member that the sensor does not use.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::{
    Container, ContainerId, Owner, Pod, Probe, ProbeKind,
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

/// The runtimes in `containerID`, as Falco calls them too.
const RUNTIMES: [&str; 3] = ["containerd", "cri-o", "docker"];
/// Falco's name for any other runtime.
const ANY: &str = "cri";

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
    pub(super) status: Status,
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
    host_network: bool,
    #[serde(rename = "hostPID")]
    host_pid: bool,
    #[serde(rename = "hostIPC")]
    host_ipc: bool,
    containers: Option<Vec<ContainerSpec>>,
    init_containers: Option<Vec<ContainerSpec>>,
    ephemeral_containers: Option<Vec<ContainerSpec>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerSpec {
    name: String,
    image: String,
    security_context: Option<SecurityContext>,
    liveness_probe: Option<ProbeSpec>,
    readiness_probe: Option<ProbeSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SecurityContext {
    privileged: bool,
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
pub(super) enum Status {
    Pod(Box<PodStatus>),
    Word(serde::de::IgnoredAny),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    #[serde(rename = "podIP")]
    ip: Option<String>,
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

/// A container that kubelet has started.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    image: String,
    #[serde(rename = "imageID")]
    image_id: String,
    /// `RUNTIME://ID`.
    #[serde(rename = "containerID")]
    container_id: Option<String>,
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
                Status::Pod(status) => text(&status.ip),
                Status::Word(_) => None,
            },
            probes: Some(self.spec.probes()),
        };
        (key, pod)
    }

    /// The containers of the pod that kubelet has started. They know nothing of mounts and labels.
    pub(super) fn containers(&self, pod: &Arc<Pod>) -> Vec<Container> {
        let Status::Pod(status) = &self.status else {
            return Vec::new();
        };
        let statuses = [
            &status.container_statuses,
            &status.init_container_statuses,
            &status.ephemeral_container_statuses,
        ];
        let statuses = statuses.into_iter().flatten().flatten();
        statuses
            .filter_map(|status| self.container(status, pod))
            .collect()
    }

    fn container(&self, status: &ContainerStatus, pod: &Arc<Pod>) -> Option<Container> {
        let (scheme, id) = status.container_id.as_deref()?.split_once("://")?;
        let id = ContainerId::new(id.as_bytes())?;
        let runtime = RUNTIMES.iter().find(|runtime| **runtime == scheme);
        let mut container = Container::new(id, runtime.copied().unwrap_or(ANY));
        container.name = Some(clean(&status.name, NAME_MAX));
        let spec = &self.spec;
        let lists = [
            &spec.containers,
            &spec.init_containers,
            &spec.ephemeral_containers,
        ];
        let mut specified = lists.into_iter().flatten().flatten();
        if let Some(specified) = specified.find(|specified| specified.name == status.name) {
            container.set_image(&specified.image);
            let context = specified.security_context.as_ref();
            container.privileged = Some(context.is_some_and(|context| context.privileged));
        } else {
            container.set_image(&status.image);
        }
        let image_id = status
            .image_id
            .split_once("://")
            .map_or(&*status.image_id, |(_, id)| id);
        if let Some((_, digest)) = image_id.split_once('@') {
            container.digest = Some(clean(digest, NAME_MAX));
        }
        container.host_network = Some(spec.host_network);
        container.host_pid = Some(spec.host_pid);
        container.host_ipc = Some(spec.host_ipc);
        container.pod = Some(Arc::clone(pod));
        Some(container)
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
