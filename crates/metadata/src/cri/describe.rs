//! CRI's messages → [`Container`].

use std::collections::HashMap;

use serde::Deserialize;

use super::messages::{ContainerStatusResponse, CriMount, ImageSpec, SandboxStatusResponse};
use crate::{
    Container, ContainerId, ContainerKind, Counters, Mount,
    counters::{add, count},
    kubernetes::{self, POD_NAME, POD_NAMESPACE, POD_SANDBOX_NAME, POD_UID},
    labels::labels,
    oci::Spec,
    text::clean,
};

/// Most bytes of a name that are kept.
const TEXT_MAX: usize = 1024;
/// Most bytes of a path that are kept.
const PATH_MAX: usize = 4096;
/// Most mounts of a container that are kept.
const MOUNTS_MAX: usize = 256;
/// `NODE` of `NamespaceMode`.
const NODE: i32 = 2;
/// The name under which runtimes put their information into the map of a verbose answer.
const INFO: &str = "info";
/// Annotations of the OCI specification with the image's name.
const IMAGE_NAMES: [&str; 3] = [
    "io.kubernetes.cri.image-name",
    "io.kubernetes.cri-o.Image",
    "io.kubernetes.cri-o.ImageName",
];

/// A runtime's own information about a container, as containerd and CRI-O have it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Info {
    #[serde(rename = "sandboxID")]
    sandbox: String,
    pid: u32,
    /// Only CRI-O has it here.
    privileged: Option<bool>,
    runtime_spec: Option<Spec>,
    config: Option<Config>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    linux: Option<Linux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Linux {
    security_context: Option<SecurityContext>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SecurityContext {
    privileged: Option<bool>,
}

impl Info {
    /// Reads the map of a verbose answer.
    pub(super) fn read(map: &HashMap<String, String>, counters: &Counters) -> Self {
        let Some(json) = map.get(INFO) else {
            return Self::default();
        };
        serde_json::from_str(json).unwrap_or_else(|_| {
            count(&counters.runtime_invalid_total);
            Self::default()
        })
    }

    /// The sandbox of the container.
    pub(super) fn sandbox(&self) -> Option<ContainerId> {
        ContainerId::new(self.sandbox.as_bytes())
    }

    fn privileged(&self) -> Option<bool> {
        let config = self
            .config
            .as_ref()
            .and_then(|config| config.linux.as_ref());
        let context = config.and_then(|linux| linux.security_context.as_ref());
        context
            .and_then(|context| context.privileged)
            .or(self.privileged)
            .or_else(|| self.runtime_spec.as_ref()?.privileged())
    }

    fn image_name(&self) -> Option<&str> {
        let annotations = &self.runtime_spec.as_ref()?.annotations;
        IMAGE_NAMES
            .iter()
            .find_map(|key| annotations.get(*key).map(String::as_str))
    }
}

/// The description of a container.
pub(super) fn container(
    id: ContainerId,
    runtime: &'static str,
    answer: ContainerStatusResponse,
    info: &Info,
    sandbox: Option<ContainerId>,
    counters: &Counters,
) -> Container {
    let status = answer.status.unwrap_or_default();
    let mut container = Container::new(id, runtime);
    let get = |key: &str| status.labels.get(key).map(String::as_str);
    let name = status.metadata.map(|metadata| metadata.name);
    container.name = name
        .filter(|name| !name.is_empty())
        .map(|name| clean(&name, TEXT_MAX));
    container.created = u64::try_from(status.created_at).ok().filter(|at| *at > 0);
    container.sandbox = sandbox;
    let pairs = status.labels.iter().map(|(key, value)| (&**key, &**value));
    container.labels = labels(pairs, counters);
    container.pod = kubernetes::pod(get, None::<std::iter::Empty<_>>, counters);
    set_image(
        &mut container,
        &status.image.unwrap_or_default(),
        &status.image_ref,
        &status.image_id,
        info,
    );
    container.mounts = mounts(&status.mounts, counters);
    container.privileged = info.privileged();
    container.init = (info.pid != 0).then_some(info.pid);
    if let Some(spec) = &info.runtime_spec {
        container.host_network = spec.host_namespace("network", true);
        container.host_pid = spec.host_namespace("pid", true);
        container.host_ipc = spec.host_namespace("ipc", true);
        (container.uid_map, container.gid_map) = spec.id_maps();
    }
    container
}

/// The description of a sandbox.
pub(super) fn sandbox(
    id: ContainerId,
    runtime: &'static str,
    answer: &SandboxStatusResponse,
    counters: &Counters,
) -> Container {
    let status = answer.status.clone().unwrap_or_default();
    let info = Info::read(&answer.info, counters);
    let mut container = Container::new(id, runtime);
    container.kind = ContainerKind::Sandbox;
    container.name = Some(POD_SANDBOX_NAME.into());
    container.sandbox = Some(id);
    container.created = u64::try_from(status.created_at).ok().filter(|at| *at > 0);
    container.init = (info.pid != 0).then_some(info.pid);
    container.privileged = info.privileged();
    let metadata = status.metadata.unwrap_or_default();
    let get = |key: &str| {
        let of_metadata = || match key {
            POD_NAME => Some(metadata.name.as_str()),
            POD_NAMESPACE => Some(metadata.namespace.as_str()),
            POD_UID => Some(metadata.uid.as_str()),
            _ => None,
        };
        let label = status.labels.get(key).map(String::as_str);
        label.or_else(of_metadata)
    };
    let pairs = || status.labels.iter().map(|(key, value)| (&**key, &**value));
    container.labels = labels(pairs(), counters);
    container.pod = kubernetes::pod(get, Some(pairs()), counters);
    let namespaces = status.linux.and_then(|linux| linux.namespaces);
    if let Some(options) = namespaces.and_then(|namespaces| namespaces.options) {
        container.host_network = Some(options.network == NODE);
        container.host_pid = Some(options.pid == NODE);
        container.host_ipc = Some(options.ipc == NODE);
    }
    container
}

/// Sets what is known of the image. `reference` is one of `repository@sha256:…` (the digest of the
/// manifest), `sha256:…` (the image's id), and the same with dockershim's `docker-pullable://` or
/// `docker://` before it.
fn set_image(container: &mut Container, spec: &ImageSpec, reference: &str, id: &str, info: &Info) {
    let reference = reference
        .strip_prefix("docker-pullable://")
        .or_else(|| reference.strip_prefix("docker://"))
        .unwrap_or(reference);
    let is_id = |name: &str| {
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        ContainerId::new(hex.as_bytes()).is_some_and(|id| id.is_hexadecimal())
    };
    let names = [
        Some(spec.user_specified_image.as_str()),
        Some(spec.image.as_str()),
        info.image_name(),
        Some(reference),
    ];
    let mut names = names.into_iter().flatten();
    if let Some(name) = names.find(|name| !name.is_empty() && !is_id(name)) {
        container.set_image(name);
    }
    if let Some((_, digest)) = reference.split_once('@') {
        container.digest = Some(clean(digest, TEXT_MAX));
    }
    let id = [id, reference, spec.image.as_str()]
        .into_iter()
        .find(|id| is_id(id));
    container.image_id = id.map(|id| clean(id.strip_prefix("sha256:").unwrap_or(id), TEXT_MAX));
}

/// Mounts as CRI lists them.
pub(crate) fn mounts(all: &[CriMount], counters: &Counters) -> Box<[Mount]> {
    add(
        &counters.metadata_trimmed_total,
        all.len().saturating_sub(MOUNTS_MAX),
    );
    all.iter().take(MOUNTS_MAX).map(mount).collect()
}

fn mount(mount: &CriMount) -> Mount {
    Mount {
        source: clean(&mount.host_path, PATH_MAX),
        dest: clean(&mount.container_path, PATH_MAX),
        mode: "".into(),
        read_write: !mount.readonly,
        // Falco's words for `MountPropagation`.
        propagation: match mount.propagation {
            0 => "private",
            1 => "rslave",
            2 => "rshared",
            _ => "unknown",
        }
        .into(),
    }
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
