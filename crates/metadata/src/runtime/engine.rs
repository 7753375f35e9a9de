//! The container runtimes: one row each.

use std::path::{Path, PathBuf};

/// The languages of the runtimes' sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// gRPC: containerd's own API where the socket has it, otherwise CRI (v1).
    Grpc,
    /// Docker's HTTP API, which Podman has too.
    Http,
}

/// A container runtime whose socket the sensor can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// containerd.
    Containerd,
    /// Any runtime with CRI (v1): CRI-O, cri-dockerd, containerd.
    Cri,
}

/// What the sensor knows of a runtime.
struct Row {
    name: &'static str,
    protocol: Protocol,
    /// Where the socket is, in the order in which the sensor tries the paths.
    sockets: &'static [&'static str],
}

/// Where the sockets of users' own runtimes are: a directory for each user, and the path in it.
const OF_USERS: (&str, &str) = ("/run/user", "podman/podman.sock");

impl Engine {
    /// All runtimes. Where two of them describe a container, the first one counts.
    pub const ALL: [Self; 4] = [Self::Docker, Self::Podman, Self::Containerd, Self::Cri];

    const fn row(self) -> Row {
        match self {
            Self::Docker => Row {
                name: "docker",
                protocol: Protocol::Http,
                sockets: &["/run/docker.sock"],
            },
            Self::Podman => Row {
                name: "podman",
                protocol: Protocol::Http,
                sockets: &["/run/podman/podman.sock"],
            },
            Self::Containerd => Row {
                name: "containerd",
                protocol: Protocol::Grpc,
                sockets: &[
                    "/run/containerd/containerd.sock",
                    // microk8s
                    "/var/snap/microk8s/common/run/containerd.sock",
                    // k3s and RKE2
                    "/run/k3s/containerd/containerd.sock",
                    // k0s
                    "/run/k0s/containerd.sock",
                    // Bottlerocket's host containers
                    "/run/host-containerd/containerd.sock",
                    // a containerd that dockerd starts itself
                    "/run/docker/containerd/containerd.sock",
                ],
            },
            Self::Cri => Row {
                name: "cri",
                protocol: Protocol::Grpc,
                sockets: &[
                    "/run/crio/crio.sock",
                    "/run/cri-dockerd.sock",
                    // k3s with Docker
                    "/run/k3s/cri-dockerd/cri-dockerd.sock",
                ],
            },
        }
    }

    /// Its name, as Falco's `container` plugin calls the engine.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    pub(crate) const fn protocol(self) -> Protocol {
        self.row().protocol
    }

    /// The paths where its sockets usually are; with the sockets of users' own runtimes that exist
    /// below `root` now.
    #[must_use]
    pub fn known_sockets(self, root: Option<&Path>) -> Vec<PathBuf> {
        let mut all: Vec<_> = self.row().sockets.iter().map(PathBuf::from).collect();
        if self == Self::Podman {
            let (directory, socket) = OF_USERS;
            let users = std::fs::read_dir(below(root, Path::new(directory)));
            let users = users.into_iter().flatten().flatten();
            let mut found: Vec<_> = users
                .filter(|user| user.path().join(socket).exists())
                .map(|user| Path::new(directory).join(user.file_name()).join(socket))
                .collect();
            found.sort();
            all.append(&mut found);
        }
        all
    }
}

/// A path of the host as the sensor reaches it. `/var/run` is a link to `/run` on the host, and the
/// link would lead out of `root`.
pub(crate) fn below(root: Option<&Path>, path: &Path) -> PathBuf {
    let Some(root) = root else {
        return path.to_owned();
    };
    match path.strip_prefix("/var/run") {
        Ok(rest) => root.join("run").join(rest),
        Err(_) => root.join(path.strip_prefix("/").unwrap_or(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_hosts_root_does_not_follow_the_link_of_var_run() {
        let host = Some(Path::new("/host"));
        for (path, expected) in [
            ("/run/crio/crio.sock", "/host/run/crio/crio.sock"),
            ("/var/run/docker.sock", "/host/run/docker.sock"),
            ("/var/lib/x.sock", "/host/var/lib/x.sock"),
        ] {
            assert_eq!(below(host, Path::new(path)), Path::new(expected));
        }
        let plain = Path::new("/var/run/docker.sock");
        assert_eq!(below(None, plain), plain);
    }

    #[test]
    fn sockets_of_users_are_found_below_the_hosts_root() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let user = root.path().join("run/user/1000/podman");
        std::fs::create_dir_all(&user).expect("a directory can be made");
        std::fs::create_dir_all(root.path().join("run/user/0")).expect("a directory can be made");
        std::fs::write(user.join("podman.sock"), "").expect("a file can be made");
        let found = Engine::Podman.known_sockets(Some(root.path()));
        let expected = [
            "/run/podman/podman.sock",
            "/run/user/1000/podman/podman.sock",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
