//! The parts of a container's OCI specification that the sensor uses.
//!
//! Only the members that are used are read; see the `config.md` and
//! `config-linux.md` of the OCI runtime specification 1.2.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    IdMap, Mount,
    counters::{Counters, add},
    text::clean,
};

/// Most mounts of a container that are kept.
const MOUNTS_MAX: usize = 256;
/// Most bytes of a path that are kept.
const PATH_MAX: usize = 4096;
/// Directory of containerd's CRI plugin whose files every pod has mounted (hostname, resolv.conf,
/// shm): CRI does not list them as mounts.
const CRI_SANDBOXES: &str = "/io.containerd.grpc.v1.cri/sandboxes/";
/// Capabilities that a privileged container has and an ordinary one has not.
const PRIVILEGED_CAPABILITIES: [&str; 4] = [
    "CAP_SYS_ADMIN",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_PTRACE",
];

/// A specification with the members that the sensor uses.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    process: Option<Process>,
    mounts: Vec<SpecMount>,
    pub(super) annotations: HashMap<String, String>,
    linux: Option<Linux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Process {
    capabilities: Option<Capabilities>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    bounding: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SpecMount {
    destination: String,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    options: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<Namespace>,
    masked_paths: Vec<String>,
    readonly_paths: Vec<String>,
    uid_mappings: Vec<Mapping>,
    gid_mappings: Vec<Mapping>,
    resources: Option<Resources>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Mapping {
    #[serde(rename = "containerID")]
    container: u32,
    #[serde(rename = "hostID")]
    host: u32,
    size: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    devices: Vec<Device>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Device {
    allow: bool,
    #[serde(rename = "type")]
    kind: Option<String>,
    access: Option<String>,
    major: Option<i64>,
}

impl Spec {
    /// Reads the JSON text.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Whether the container is what CRI and Docker call privileged: all capabilities, all devices,
    /// and nothing of `/proc` and `/sys` hidden or read-only. The specification has no such member.
    /// None if the specification is not for Linux.
    pub(super) fn privileged(&self) -> Option<bool> {
        let linux = self.linux.as_ref()?;
        let capabilities = self
            .process
            .as_ref()
            .and_then(|p| p.capabilities.as_ref())
            .map_or(&[][..], |c| &c.bounding);
        let has_all = PRIVILEGED_CAPABILITIES
            .iter()
            .all(|wanted| capabilities.iter().any(|have| have == wanted));
        let all_devices = linux.resources.as_ref().is_some_and(|r| {
            r.devices.iter().any(|d| {
                d.allow
                    && d.major.is_none_or(|major| major < 0)
                    && d.kind
                        .as_deref()
                        .is_none_or(|kind| matches!(kind, "" | "a"))
                    && d.access.as_deref() == Some("rwm")
            })
        });
        Some(
            has_all
                && all_devices
                && linux.masked_paths.is_empty()
                && linux.readonly_paths.is_empty(),
        )
    }

    /// Whether the container runs in the host's namespace of that kind; none if it joins the
    /// namespace of another process, which is a sandbox if `has_sandbox` is true.
    pub(super) fn host_namespace(&self, kind: &str, has_sandbox: bool) -> Option<bool> {
        let linux = self.linux.as_ref()?;
        match linux.namespaces.iter().find(|n| n.kind == kind) {
            None => Some(true),
            Some(namespace) if namespace.path.starts_with("/proc/1/") => Some(true),
            Some(namespace) if namespace.path.is_empty() || !has_sandbox => Some(false),
            Some(_) => None,
        }
    }

    /// Mounts from the host.
    pub(super) fn mounts(&self, counters: &Counters) -> Box<[Mount]> {
        let from_host = |mount: &&SpecMount| {
            let is_bind =
                mount.kind == "bind" || mount.options.iter().any(|o| o == "bind" || o == "rbind");
            is_bind && !mount.source.contains(CRI_SANDBOXES)
        };
        let all = self.mounts.iter().filter(from_host);
        add(
            &counters.metadata_trimmed_total,
            all.clone().count().saturating_sub(MOUNTS_MAX),
        );
        all.take(MOUNTS_MAX)
            .map(|mount| Mount {
                source: clean(&mount.source, PATH_MAX),
                dest: clean(&mount.destination, PATH_MAX),
                mode: "".into(),
                read_write: !mount.options.iter().any(|o| o == "ro"),
                propagation: propagation(&mount.options).into(),
            })
            .collect()
    }

    /// Maps of user and group ids.
    pub(super) fn id_maps(&self) -> (Box<[IdMap]>, Box<[IdMap]>) {
        let take = |mappings: &[Mapping]| {
            mappings
                .iter()
                .take(MOUNTS_MAX)
                .map(|m| IdMap {
                    container: m.container,
                    host: m.host,
                    size: m.size,
                })
                .collect()
        };
        self.linux.as_ref().map_or_else(Default::default, |linux| {
            (take(&linux.uid_mappings), take(&linux.gid_mappings))
        })
    }
}

/// CRI's word for the mount propagation.
fn propagation(options: &[String]) -> &'static str {
    let has = |names: [&str; 2]| options.iter().any(|o| names.contains(&o.as_str()));
    if has(["rshared", "shared"]) {
        "rshared"
    } else if has(["rslave", "slave"]) {
        "rslave"
    } else {
        "private"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> Spec {
        Spec::parse(json.as_bytes()).unwrap()
    }

    const ALL: &str = r#""process":{"capabilities":{"bounding":["CAP_SYS_ADMIN","CAP_SYS_MODULE","CAP_SYS_RAWIO","CAP_SYS_PTRACE"]}}"#;
    const DEVICES: &str =
        r#""resources":{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"access":"rwm"}]}"#;

    #[test]
    fn all_capabilities_and_devices_and_nothing_hidden_is_privileged() {
        let s = spec(&format!(r#"{{{ALL},"linux":{{{DEVICES}}}}}"#));
        assert_eq!(s.privileged(), Some(true));
    }

    #[test]
    fn all_capabilities_alone_are_not_privileged() {
        let s = spec(&format!(
            r#"{{{ALL},"linux":{{"maskedPaths":["/proc/kcore"],{DEVICES}}}}}"#
        ));
        assert_eq!(s.privileged(), Some(false));
        let s = spec(&format!(r#"{{{ALL},"linux":{{}}}}"#));
        assert_eq!(s.privileged(), Some(false));
    }

    #[test]
    fn one_device_is_not_all_devices() {
        let s = spec(&format!(
            r#"{{{ALL},"linux":{{"resources":{{"devices":[{{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}}]}}}}}}"#
        ));
        assert_eq!(s.privileged(), Some(false));
    }

    #[test]
    fn a_missing_namespace_is_the_hosts_and_a_joined_one_is_the_sandboxs() {
        let s = spec(
            r#"{"linux":{"namespaces":[{"type":"pid"},{"type":"ipc","path":"/proc/77/ns/ipc"}]}}"#,
        );
        assert_eq!(s.host_namespace("network", true), Some(true));
        assert_eq!(s.host_namespace("pid", true), Some(false));
        assert_eq!(s.host_namespace("ipc", true), None);
        assert_eq!(s.host_namespace("ipc", false), Some(false));
    }

    #[test]
    fn what_cri_mounts_by_itself_is_no_mount() {
        let s = spec(
            r#"{"mounts":[
            {"destination":"/proc","type":"proc","source":"proc"},
            {"destination":"/etc/hostname","type":"bind","source":"/x/io.containerd.grpc.v1.cri/sandboxes/1/hostname","options":["rbind"]},
            {"destination":"/data","type":"bind","source":"/srv/da\nta","options":["rbind","rslave","ro"]}]}"#,
        );
        let mounts = s.mounts(&Counters::default());
        assert_eq!(mounts.len(), 1);
        assert_eq!(&*mounts[0].source, "/srv/da\u{fffd}ta");
        assert_eq!(&*mounts[0].propagation, "rslave");
        assert!(!mounts[0].read_write);
    }

    #[test]
    fn a_spec_for_another_system_says_nothing_of_privileges() {
        assert_eq!(spec("{}").privileged(), None);
        assert_eq!(spec("{}").host_namespace("pid", false), None);
    }
}
