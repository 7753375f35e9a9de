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
    rootfs_propagation: String,
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

    /// All mounts, as Falco shows those of a container that CRI does not know: the mode is that of
    /// the option, and the propagation that of the root.
    pub(super) fn mounts(&self, counters: &Counters) -> Box<[Mount]> {
        add(
            &counters.metadata_trimmed_total,
            self.mounts.len().saturating_sub(MOUNTS_MAX),
        );
        let of_root = self.linux.as_ref().map(|linux| &*linux.rootfs_propagation);
        let mounts = self.mounts.iter().take(MOUNTS_MAX);
        mounts
            .map(|mount| Mount {
                source: clean(&mount.source, PATH_MAX),
                dest: clean(&mount.destination, PATH_MAX),
                mode: clean(mount.mode(), PATH_MAX),
                read_write: !mount.options.iter().any(|option| option == "ro"),
                propagation: clean(of_root.unwrap_or_default(), PATH_MAX),
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

impl SpecMount {
    /// The option `mode=`, of a tmpfs for example.
    fn mode(&self) -> &str {
        let mut options = self.options.iter();
        options
            .find_map(|option| option.strip_prefix("mode="))
            .unwrap_or_default()
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
    fn mounts_have_the_mode_of_their_options_and_the_propagation_of_the_root() {
        let s = spec(
            r#"{"linux":{"rootfsPropagation":"rslave"},"mounts":[
            {"destination":"/proc","type":"proc","source":"proc"},
            {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]},
            {"destination":"/data","type":"bind","source":"/srv/da\nta","options":["rbind","rshared","ro"]}]}"#,
        );
        let mounts = s.mounts(&Counters::default());
        let text = |m: &Mount| {
            format!(
                "{}:{}:{}:{}:{}",
                m.source, m.dest, m.mode, m.read_write, m.propagation
            )
        };
        assert_eq!(
            mounts.iter().map(text).collect::<Vec<_>>(),
            [
                "proc:/proc::true:rslave",
                "tmpfs:/dev:755:true:rslave",
                "/srv/da\u{fffd}ta:/data::false:rslave",
            ]
        );
    }

    #[test]
    fn a_spec_for_another_system_says_nothing_of_privileges() {
        assert_eq!(spec("{}").privileged(), None);
        assert_eq!(spec("{}").host_namespace("pid", false), None);
    }
}
