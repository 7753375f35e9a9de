//! containerd's record of a container → [`Container`].

use std::collections::HashMap;

use containerd_client::services::v1::Container as Record;
use serde::Deserialize;

use crate::{
    Container, ContainerId, ContainerKind, Counters,
    caches::Detail,
    counters::count,
    cri::{CriMount, mounts},
    kubernetes::{self, CONTAINER_NAME, POD_SANDBOX_NAME},
    labels::labels,
    oci::Spec,
    text::clean,
};

const KIND: &str = "io.cri-containerd.kind";
const SANDBOX_ID: &str = "io.kubernetes.cri.sandbox-id";
const IMAGE_NAME: &str = "io.kubernetes.cri.image-name";
const NERDCTL_NAME: &str = "nerdctl/name";
/// Most bytes of a name that are kept.
const TEXT_MAX: usize = 1024;
/// containerd's namespace of Docker's containers.
const MOBY: &str = "moby";

/// CRI's own record, which containerd keeps with the container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Extension {
    metadata: ExtensionMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExtensionMetadata {
    #[serde(rename = "ImageRef")]
    image_ref: String,
    #[serde(rename = "Config")]
    config: ExtensionConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExtensionConfig {
    mounts: Vec<CriMount>,
    linux: Option<ExtensionLinux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExtensionLinux {
    security_context: Option<SecurityContext>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SecurityContext {
    privileged: bool,
}

/// A parsed record, without the digest of its image, which the task still has to ask for.
pub(super) struct Described {
    pub(super) container: Box<Container>,
    /// Name under which containerd keeps the image.
    pub(super) image_key: Option<String>,
    pub(super) detail: Detail,
}

/// Reads a record of that namespace; none if its id is not a container id.
pub(super) fn describe(namespace: &str, record: &Record, counters: &Counters) -> Option<Described> {
    let id = ContainerId::new(record.id.as_bytes())?;
    let runtime = if namespace == MOBY {
        "docker"
    } else {
        "containerd"
    };
    let mut container = Box::new(Container::new(id, runtime));
    let spec = record.spec.as_ref().and_then(|any| {
        Spec::parse(&any.value)
            .inspect_err(|_| count(&counters.runtime_invalid_total))
            .ok()
    });
    let extension = extension(record, counters);

    container.created = record.created_at.map(|t| {
        let seconds = u64::try_from(t.seconds).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000) + u64::try_from(t.nanos).unwrap_or(0)
    });
    container.labels = labels(pairs(&record.labels), counters);
    if record
        .labels
        .get(KIND)
        .is_some_and(|kind| kind == "sandbox")
    {
        container.kind = ContainerKind::Sandbox;
    }
    let is_sandbox = container.kind == ContainerKind::Sandbox;
    let annotation = |key| spec.as_ref().and_then(|s| s.annotations.get(key));
    container.sandbox = if is_sandbox {
        Some(id)
    } else {
        let named = annotation(SANDBOX_ID).map(String::as_str);
        named
            .or(Some(record.sandbox.as_str()))
            .and_then(|sandbox| ContainerId::new(sandbox.as_bytes()))
    };
    container.name = Some(
        match record
            .labels
            .get(CONTAINER_NAME)
            .or_else(|| record.labels.get(NERDCTL_NAME))
        {
            Some(name) => clean(name, TEXT_MAX),
            None if is_sandbox => POD_SANDBOX_NAME.into(),
            None => id.full().into(),
        },
    );
    let get = |key: &str| record.labels.get(key).map(String::as_str);
    let of_sandbox = is_sandbox.then(|| pairs(&record.labels));
    container.pod = kubernetes::pod(get, of_sandbox, counters);

    let image_name = if record.image.starts_with("sha256:") {
        // The name belongs to another image now; this is the image from which the container was
        // made:
        annotation(IMAGE_NAME)
            .cloned()
            .unwrap_or_else(|| record.image.clone())
    } else {
        record.image.clone()
    };
    container.set_image(&image_name);
    let image_ref = extension
        .as_ref()
        .map_or(String::new(), |e| e.metadata.image_ref.clone());
    if let Some(hex) = image_ref.strip_prefix("sha256:") {
        container.image_id = Some(clean(hex, TEXT_MAX));
    }

    if let Some(spec) = &spec {
        let by_cri = extension
            .as_ref()
            .and_then(|e| e.metadata.config.linux.as_ref())
            .and_then(|linux| linux.security_context.as_ref())
            .map(|context| context.privileged);
        let has_sandbox = container.sandbox.is_some() && !is_sandbox;
        container.privileged = by_cri.or_else(|| spec.privileged());
        container.host_network = spec.host_namespace("network", has_sandbox);
        container.host_pid = spec.host_namespace("pid", has_sandbox);
        container.host_ipc = spec.host_namespace("ipc", has_sandbox);
        (container.uid_map, container.gid_map) = spec.id_maps();
    }
    container.mounts = match (extension, &spec) {
        // As CRI lists them: in this order, and without what containerd adds.
        (Some(extension), _) => mounts(&extension.metadata.config.mounts, counters),
        (None, Some(spec)) if !is_sandbox => spec.mounts(counters),
        (None, _) => Box::default(),
    };
    let key = if image_ref.is_empty() {
        &record.image
    } else {
        &image_ref
    };
    Some(Described {
        image_key: (!key.is_empty()).then(|| key.to_owned()),
        detail: if namespace == MOBY {
            // Docker knows name and image.
            Detail::Nameless
        } else {
            Detail::Whole
        },
        container,
    })
}

fn extension(record: &Record, counters: &Counters) -> Option<Extension> {
    let any = record
        .extensions
        .get("io.cri-containerd.container.metadata")?;
    serde_json::from_slice(&any.value)
        .inspect_err(|_| count(&counters.runtime_invalid_total))
        .ok()
}

fn pairs(labels: &HashMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
