//! Which container a cgroup belongs to, from its names alone.
//!
//! Only known forms of names count (a row of [`FORMS`] each): a cgroup that is merely nested, or
//! merely has a long name, belongs to the host. The outermost match decides, so a container cannot
//! get the id of another container by cgroups that it makes inside its own.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Names;

/// Most bytes of a container id.
const ID_MAX: usize = 64;

/// The container runtime, as far as the cgroup's name shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// A CRI container of containerd, or of CRI-O with the cgroupfs driver.
    Cri,
    /// A plain containerd container (`ctr run`).
    Containerd,
    /// CRI-O with the systemd driver.
    CriO,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// LXC.
    Lxc,
}

/// The id of a container: 64 hexadecimal digits, or a name given to `ctr run`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId {
    len: u8,
    bytes: [u8; ID_MAX],
}

impl ContainerId {
    /// Stands for the id of a container whose cgroup names do not show the id.
    pub const UNKNOWN: Self = {
        let mut bytes = [0; ID_MAX];
        bytes.split_at_mut(7).0.copy_from_slice(b"unknown");
        Self { len: 7, bytes }
    };

    /// An id of 1 to 64 bytes of printable ASCII; otherwise none.
    #[must_use]
    pub fn new(id: &[u8]) -> Option<Self> {
        if id.is_empty() || id.len() > ID_MAX || !id.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; ID_MAX];
        bytes[..id.len()].copy_from_slice(id);
        Some(Self {
            len: u8::try_from(id.len()).unwrap_or(0),
            bytes,
        })
    }

    /// Whether the id has 64 hexadecimal digits. The runtime draws such an id at random, so no two
    /// containers have the same one.
    #[must_use]
    pub fn is_hexadecimal(&self) -> bool {
        is_id(self.full().as_bytes())
    }

    /// The whole id, `container.full_id`.
    #[must_use]
    pub fn full(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The first 12 characters, `container.id`.
    #[must_use]
    pub fn short(&self) -> &str {
        let full = self.full();
        &full[..full.len().min(12)]
    }
}

impl std::fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.full())
    }
}

impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.full())
    }
}

impl Serialize for ContainerId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.full())
    }
}

impl<'de> Deserialize<'de> for ContainerId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let id = String::deserialize(from)?;
        let new = Self::new(id.as_bytes());
        new.ok_or_else(|| de::Error::custom(format!("{id:?} is no id of a container")))
    }
}

/// How a cgroup's name contains the id of a container.
struct Form {
    /// Before the id.
    prefix: &'static [u8],
    /// After the id.
    suffix: &'static [u8],
    /// The runtime that uses this form.
    runtime: Runtime,
}

const fn form(prefix: &'static str, suffix: &'static str, runtime: Runtime) -> Form {
    Form {
        prefix: prefix.as_bytes(),
        suffix: suffix.as_bytes(),
        runtime,
    }
}

/// Names that carry an id of 64 hexadecimal digits, most specific first.
const FORMS: &[Form] = &[
    form("libpod-payload-", "", Runtime::Podman),
    form("libpod-", ".scope", Runtime::Podman),
    form("libpod-", "", Runtime::Podman),
    form("docker-", ".scope", Runtime::Docker),
    form("cri-containerd-", ".scope", Runtime::Cri),
    form("crio-", ".scope", Runtime::CriO),
    form("crio-", "", Runtime::CriO),
    form("nerdctl-", ".scope", Runtime::Containerd),
];

/// Names of the parent cgroup below which a name of 64 hexadecimal digits is a container id, and
/// the runtime that uses them.
const PARENTS: &[(&[u8], Runtime)] = &[
    (b"docker", Runtime::Docker),
    (b"libpod_parent", Runtime::Podman),
];

/// First names of paths whose second is an LXC container's name.
const LXC: &[&[u8]] = &[b"lxc", b"lxc.payload", b"lxc.monitor"];

/// Names directly under the root that are no containerd namespaces.
const NOT_NAMESPACES: &[&[u8]] = &[
    b"user.slice",
    b"system.slice",
    b"machine.slice",
    b"init.scope",
    b"kubepods",
    b"kubepods.slice",
    b"docker",
    b"lxc",
    b"lxc.payload",
    b"lxc.monitor",
    b"libpod_parent",
    b"actions_job",
    b"buildkit",
];

fn is_id(name: &[u8]) -> bool {
    name.len() == ID_MAX && name.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The container that a cgroup belongs to; none for the host.
///
/// `ctr_namespaces` are the containerd namespaces whose plain containers
/// (`/<namespace>/<name>`) count.
#[must_use]
pub fn container_id(
    cgroup: Names<'_>,
    ctr_namespaces: &[impl AsRef<str>],
) -> Option<(Runtime, ContainerId)> {
    outermost(cgroup.outermost_first(), ctr_namespaces).map(|(_, runtime, id)| (runtime, id))
}

/// The outermost container among names of a cgroup, which are in order from outside to inside; and
/// the number of names up to and with its own.
pub(super) fn outermost<'a>(
    names: impl Iterator<Item = &'a [u8]>,
    ctr_namespaces: &[impl AsRef<str>],
) -> Option<(usize, Runtime, ContainerId)> {
    let mut parent: &[u8] = b"";
    for (depth, name) in names.enumerate() {
        // A name may have its slice before it, `kubepods-….slice:cri-containerd:<id>`.
        let name = match name.iter().rposition(|&b| b == b':') {
            Some(colon) if name[..colon].ends_with(b":cri-containerd") => &name[colon + 1..],
            _ => name,
        };
        if is_id(name) {
            let runtime = PARENTS
                .iter()
                .find(|(p, _)| *p == parent)
                .map_or(Runtime::Cri, |(_, runtime)| *runtime);
            return Some((depth + 1, runtime, ContainerId::new(name)?));
        }
        for form in FORMS {
            if let Some(id) = name
                .strip_prefix(form.prefix)
                .and_then(|rest| rest.strip_suffix(form.suffix))
                && is_id(id)
            {
                return Some((depth + 1, form.runtime, ContainerId::new(id)?));
            }
        }
        if let Some(lxc) = name
            .strip_prefix(b"lxc.payload.")
            .or_else(|| (depth == 1 && LXC.contains(&parent)).then_some(name))
        {
            return Some((depth + 1, Runtime::Lxc, ContainerId::new(lxc)?));
        }
        if depth == 1
            && !NOT_NAMESPACES.contains(&parent)
            && ctr_namespaces
                .iter()
                .any(|n| n.as_ref().as_bytes() == parent)
            && ![b".slice".as_slice(), b".scope", b".service"]
                .iter()
                .any(|s| name.ends_with(s))
        {
            return Some((depth + 1, Runtime::Containerd, ContainerId::new(name)?));
        }
        parent = name;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const POD: &str = "pod5f0a1c3e-9d6b-4b1e-8f5b-0e8a1f2b3c4d";

    fn found(path: &str) -> Option<(Runtime, String)> {
        let mut names = Vec::new();
        for name in path
            .replace("<id>", ID)
            .replace("<pod>", POD)
            .split('/')
            .rev()
        {
            if !name.is_empty() {
                names.extend_from_slice(name.as_bytes());
                names.push(0);
            }
        }
        container_id(Names(&names), &["default", "k8s.io", "moby"])
            .map(|(runtime, id)| (runtime, id.full().to_owned()))
    }

    macro_rules! forms {
        ($($test:ident: $path:literal => $expected:expr,)*) => {$(
            #[test]
            fn $test() {
                assert_eq!(found($path), $expected);
            }
        )*};
    }

    #[expect(clippy::unnecessary_wraps, reason = "stands beside None in the table")]
    fn id(runtime: Runtime) -> Option<(Runtime, String)> {
        Some((runtime, ID.to_owned()))
    }

    forms! {
        cri_cgroupfs_burstable: "/kubepods/burstable/<pod>/<id>" => id(Runtime::Cri),
        cri_cgroupfs_guaranteed: "/kubepods/<pod>/<id>" => id(Runtime::Cri),
        cri_cgroupfs_with_a_root_of_its_own: "/testbed/kubepods/besteffort/<pod>/<id>" => id(Runtime::Cri),
        cri_systemd: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod5f0a.slice/cri-containerd-<id>.scope" => id(Runtime::Cri),
        cri_systemd_name_with_colons: "/system.slice/containerd.service/kubepods-besteffort-pod5f0a.slice:cri-containerd:<id>" => id(Runtime::Cri),
        k3s: "/system.slice/k3s.service/kubepods/besteffort/<pod>/<id>" => id(Runtime::Cri),
        static_pod: "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/<id>" => id(Runtime::Cri),
        crio_systemd: "/kubepods.slice/kubepods-pod5f0a.slice/crio-<id>.scope" => id(Runtime::CriO),
        crio_cgroupfs: "/kubepods/burstable/<pod>/crio-<id>" => id(Runtime::CriO),
        docker_cgroupfs: "/docker/<id>" => id(Runtime::Docker),
        docker_systemd: "/system.slice/docker-<id>.scope" => id(Runtime::Docker),
        docker_in_a_pod: "/kubepods/besteffort/<pod>/<id>/docker/fedc" => id(Runtime::Cri),
        podman_systemd: "/machine.slice/libpod-<id>.scope/container" => id(Runtime::Podman),
        podman_cgroupfs: "/libpod_parent/libpod-<id>" => id(Runtime::Podman),
        podman_payload: "/user.slice/user-1000.slice/libpod-payload-<id>" => id(Runtime::Podman),
        nerdctl: "/system.slice/nerdctl-<id>.scope" => id(Runtime::Containerd),
        containerd_plain: "/default/redis1" => Some((Runtime::Containerd, "redis1".into())),
        containerd_plain_nested: "/default/redis1/inner" => Some((Runtime::Containerd, "redis1".into())),
        lxc: "/lxc/mylxc" => Some((Runtime::Lxc, "mylxc".into())),
        lxc_payload: "/lxc.payload/mylxc" => Some((Runtime::Lxc, "mylxc".into())),
        lxc_payload_dotted: "/lxc.payload.mylxc" => Some((Runtime::Lxc, "mylxc".into())),
        systemd_inside_a_container: "/kubepods/burstable/<pod>/<id>/init.scope" => id(Runtime::Cri),
        root_is_host: "/" => None,
        service_is_host: "/system.slice/sshd.service" => None,
        session_is_host: "/user.slice/user-0.slice/session-1.scope" => None,
        sixty_five_digits_are_host: "/kubepods/burstable/<pod>/0<id>" => None,
        upper_case_is_host: "/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF" => None,
        thirty_two_digits_are_host: "/some-service/0123456789abcdef0123456789abcdef" => None,
        arbitrary_nesting_is_host: "/a/b/c/d" => None,
        a_service_in_a_namespace_is_host: "/default/x.service" => None,
        runc_alone_is_host: "/mycontainer" => None,
    }

    #[test]
    fn a_cgroup_made_inside_a_container_cannot_change_its_id() {
        let other = ID.replace('0', "f");
        let got = found(&format!("/kubepods/burstable/<pod>/<id>/docker/{other}"));
        assert_eq!(got, id(Runtime::Cri));
    }

    #[test]
    fn the_short_id_has_twelve_characters() {
        let id = ContainerId::new(ID.as_bytes()).expect("a valid id");
        assert_eq!(id.short(), "0123456789ab");
    }

    #[test]
    fn an_id_with_odd_bytes_is_none() {
        assert_eq!(ContainerId::new(b"a b"), None);
        assert_eq!(ContainerId::new(b"a\n"), None);
        assert_eq!(ContainerId::new(b""), None);
        assert_eq!(ContainerId::new(&[b'a'; 65]), None);
    }
}
