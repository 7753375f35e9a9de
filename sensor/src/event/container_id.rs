//! Which container a cgroup belongs to, from its names alone.

use super::Names;

/// Longest container id that is kept.
const ID_MAX: usize = 64;

/// What runs the container, as far as the cgroup's name tells.
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
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContainerId {
    len: u8,
    bytes: [u8; ID_MAX],
}

impl ContainerId {
    /// An id of 1 to [`ID_MAX`] bytes of printable ASCII; otherwise none.
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

/// The container of a cgroup; none is the host.
#[must_use]
pub fn container_id(cgroup: Names<'_>) -> Option<(Runtime, ContainerId)> {
    let _ = cgroup;
    None
}
