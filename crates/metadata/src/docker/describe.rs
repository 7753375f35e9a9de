//! Docker's objects → [`Container`].

use std::collections::BTreeMap;

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Container, ContainerId, ContainerKind, Counters, Mount,
    counters::add,
    image,
    kubernetes::{self, CONTAINER_NAME, POD_SANDBOX_NAME},
    labels::labels,
    text::clean,
};

/// Most bytes of a name that are kept.
const TEXT_MAX: usize = 1024;
/// Most bytes of a path that are kept.
const PATH_MAX: usize = 4096;
/// Most mounts of a container that are kept.
const MOUNTS_MAX: usize = 256;
/// What cri-dockerd writes into a container's labels: what the container is, and its sandbox.
const KIND: &str = "io.kubernetes.docker.type";
const SANDBOX_ID: &str = "io.kubernetes.sandbox.id";

type Labels = BTreeMap<String, String>;

/// An entry of the list of containers.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ListedContainer {
    id: String,
}

impl ListedContainer {
    pub(super) fn id(&self) -> Option<ContainerId> {
        ContainerId::new(self.id.as_bytes())
    }
}

/// A container, as the runtime describes it in full. Members that the sensor does not use are not
/// read; a member may be null.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ContainerObject {
    id: String,
    created: String,
    name: String,
    /// Id of the image.
    image: String,
    /// Digest of the image, of Podman.
    image_digest: Option<String>,
    state: Option<State>,
    config: Option<Config>,
    host_config: Option<HostConfig>,
    mounts: Option<Vec<MountObject>>,
    graph_driver: Option<GraphDriver>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct State {
    pid: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    image: Option<String>,
    labels: Option<Labels>,
    healthcheck: Option<Healthcheck>,
    /// The shell of health checks that are a text; none stands for `/bin/sh -c`.
    shell: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Healthcheck {
    /// `NONE`, `CMD` and the words, or `CMD-SHELL` and a text.
    test: Option<Vec<String>>,
}

impl Config {
    /// The command line of the health check, see [`Container::healthcheck`].
    fn healthcheck(&self) -> Option<Box<[Box<str>]>> {
        let shell = || match self.shell.as_deref() {
            None | Some([]) => ["/bin/sh", "-c"].map(str::to_owned).to_vec(),
            Some(shell) => shell.to_vec(),
        };
        let test = self.healthcheck.as_ref()?.test.as_deref()?;
        let words = match test.split_first()? {
            (kind, _) if kind == "NONE" => Vec::new(),
            (kind, words) if kind == "CMD" => words.to_vec(),
            (kind, words) if kind == "CMD-SHELL" => [&shell()[..], words].concat(),
            _ => return None,
        };
        let is_short = words.iter().map(String::len).sum::<usize>() <= PATH_MAX;
        is_short.then(|| words.into_iter().map(String::into_boxed_str).collect())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    privileged: bool,
    network_mode: String,
    pid_mode: String,
    ipc_mode: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct MountObject {
    source: String,
    destination: String,
    mode: String,
    #[serde(rename = "RW")]
    read_write: bool,
    propagation: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct GraphDriver {
    data: Option<BTreeMap<String, serde_json::Value>>,
}

/// An image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ImageObject {
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
}

/// An event of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct EventObject {
    action: String,
    actor: Actor,
    #[serde(rename = "timeNano")]
    time: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes")]
    attributes: Labels,
}

impl ContainerObject {
    pub(super) fn image_id(&self) -> &str {
        &self.image
    }

    /// The description that the caches keep; none if the id is no container id.
    pub(super) fn describe(
        self,
        runtime: &'static str,
        image: Option<ImageObject>,
        counters: &Counters,
    ) -> Option<Container> {
        let id = ContainerId::new(self.id.as_bytes())?;
        let config = self.config.unwrap_or_default();
        let healthcheck = config.healthcheck();
        let mut container = named(
            id,
            runtime,
            &self.name,
            config.image.as_deref().unwrap_or_default(),
            &config.labels.unwrap_or_default(),
            counters,
        );
        container.healthcheck = healthcheck;
        container.created = OffsetDateTime::parse(&self.created, &Rfc3339)
            .ok()
            .and_then(|time| u64::try_from(time.unix_timestamp_nanos()).ok());
        let image_id = self.image.strip_prefix("sha256:").unwrap_or(&self.image);
        container.image_id = (!image_id.is_empty()).then(|| clean(image_id, TEXT_MAX));
        if let Some(image) = image {
            image.name(&mut container);
        }
        if let Some(digest) = self.image_digest.filter(|digest| !digest.is_empty()) {
            container.digest = Some(clean(&digest, TEXT_MAX));
        }
        if let Some(host) = self.host_config {
            container.privileged = Some(host.privileged);
            container.host_network = Some(host.network_mode == "host");
            container.host_pid = Some(host.pid_mode == "host");
            container.host_ipc = Some(host.ipc_mode == "host");
        }
        let mounts = self.mounts.unwrap_or_default();
        add(
            &counters.metadata_trimmed_total,
            mounts.len().saturating_sub(MOUNTS_MAX),
        );
        container.mounts = mounts
            .into_iter()
            .take(MOUNTS_MAX)
            .map(|mount| Mount {
                source: clean(&mount.source, PATH_MAX),
                dest: clean(&mount.destination, PATH_MAX),
                mode: clean(&mount.mode, TEXT_MAX),
                read_write: mount.read_write,
                propagation: clean(&mount.propagation, TEXT_MAX),
            })
            .collect();
        container.init = self.state.map(|state| state.pid).filter(|pid| *pid != 0);
        container.rootfs = self
            .graph_driver
            .and_then(|driver| driver.data)
            .and_then(|data| Some(data.get("MergedDir")?.as_str()?.into()));
        Some(container)
    }
}

impl EventObject {
    pub(super) fn id(&self) -> &str {
        &self.actor.id
    }

    /// Nanoseconds since the epoch.
    pub(super) fn time(&self) -> u64 {
        self.time
    }

    pub(super) fn is_creation(&self) -> bool {
        self.action == "create"
    }

    pub(super) fn is_end(&self) -> bool {
        matches!(self.action.as_str(), "destroy" | "remove")
    }

    /// What the event itself says of its container.
    pub(super) fn describe(
        &self,
        id: ContainerId,
        runtime: &'static str,
        counters: &Counters,
    ) -> Container {
        let get = |key| self.actor.attributes.get(key).map_or("", String::as_str);
        // The attributes are the labels and what the runtime adds.
        let mut own = self.actor.attributes.clone();
        for added in ["image", "name", "containerExitCode", "podId"] {
            own.remove(added);
        }
        let mut container = named(id, runtime, get("name"), get("image"), &own, counters);
        container.created = Some(self.time);
        container
    }
}

/// A container with name, image, labels and what the labels say.
fn named(
    id: ContainerId,
    runtime: &'static str,
    name: &str,
    image: &str,
    from: &Labels,
    counters: &Counters,
) -> Container {
    let mut container = Container::new(id, runtime);
    let get = |key: &str| from.get(key).map(String::as_str);
    let is_sandbox = get(KIND) == Some("podsandbox");
    if is_sandbox {
        container.kind = ContainerKind::Sandbox;
        container.sandbox = Some(id);
    } else {
        container.sandbox = get(SANDBOX_ID).and_then(|id| ContainerId::new(id.as_bytes()));
    }
    let name = match get(CONTAINER_NAME) {
        _ if is_sandbox => POD_SANDBOX_NAME,
        Some(name) => name,
        None => name.strip_prefix('/').unwrap_or(name),
    };
    container.name = (!name.is_empty()).then(|| clean(name, TEXT_MAX));
    container.set_image(image);
    let pairs = || from.iter().map(|(key, value)| (&**key, &**value));
    container.labels = labels(pairs(), counters);
    container.pod = kubernetes::pod(get, is_sandbox.then(pairs), counters);
    container
}

impl ImageObject {
    /// Sets repository, tag and digest as Falco does: the first repository of the image counts, and
    /// tag and digest in it.
    fn name(&self, container: &mut Container) {
        let digests = self.repo_digests.iter().flatten();
        let mut digests = digests.filter_map(|name| name.split_once('@'));
        let digest = digests.next();
        let tags = self.repo_tags.iter().flatten();
        let repository = digest.map(|(repository, _)| repository).or_else(|| {
            let first = self.repo_tags.as_ref()?.first()?;
            image::split(first).map(|parts| parts.repository)
        });
        let Some(repository) = repository else {
            return;
        };
        let tag = tags
            .filter_map(|name| image::split(name))
            .find(|parts| parts.repository == repository)
            .and_then(|parts| parts.tag);
        container.repository = Some(clean(repository, TEXT_MAX));
        container.tag = tag.map(|tag| clean(tag, TEXT_MAX));
        container.digest = digest.map(|(_, digest)| clean(digest, TEXT_MAX));
    }
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
