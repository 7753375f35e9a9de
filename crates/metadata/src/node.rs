//! Which cgroups belong to the sensor's node, where nodes are containers themselves (kind, k3d,
//! minikube's docker driver, nodes in LXC): then several nodes share one kernel, and the kernel shows
//! the sensor the processes of all of them.
//!
//! ```text
//! /docker/A                               the node's own container: the node's prefix
//! /docker/A/kubelet/kubepods/…/B          container B of this node
//! /docker/A/system.slice/kubelet.service  the host, as this node sees it
//! /docker/C/…, /system.slice/…            another node
//! ```

use crate::{ContainerId, Names, Runtime, container_id::outermost};

/// Most nested containers that the search for the node looks at.
const NESTED_MAX: usize = 16;

/// Where the sensor and the first process of its pid namespace run, from the kernel's root on.
#[derive(Clone, Copy, Debug)]
pub struct Whereabouts<'a> {
    /// The cgroup of the sensor.
    pub sensor: Names<'a>,
    /// The cgroup of the first process.
    pub first: Names<'a>,
    /// Whether the first process is the sensor or its parent: then that process is the first one of
    /// the sensor's container, unless its cgroup is another one.
    pub is_own: bool,
}

/// Whose cgroups count as the node's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodeOptions {
    /// The sensor finds out.
    #[default]
    Auto,
    /// Those below this path, from the kernel's root on (`/`: all).
    Below(String),
}

/// The node: the cgroups below a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The names of the prefix, from outside to inside. Empty: the whole machine is the node.
    prefix: Box<[Box<[u8]>]>,
}

/// Where a cgroup belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupPlace {
    /// To the host of this node.
    Host,
    /// To a container of this node.
    Container(Runtime, ContainerId),
    /// To another node.
    Other,
}

impl Node {
    /// The node of a sensor that runs there. Without whereabouts the whole machine is the node.
    #[must_use]
    pub fn find(
        options: &NodeOptions,
        whereabouts: Option<Whereabouts<'_>>,
        ctr_namespaces: &[impl AsRef<str>],
    ) -> Self {
        match (options, whereabouts) {
            (NodeOptions::Below(path), _) => Self::below(path),
            (NodeOptions::Auto, Some(whereabouts)) => whereabouts.node(ctr_namespaces),
            (NodeOptions::Auto, None) => Self::default(),
        }
    }

    fn below(path: &str) -> Self {
        let names = path.split('/').filter(|name| !name.is_empty());
        Self {
            prefix: names.map(|name| name.as_bytes().into()).collect(),
        }
    }

    /// The first names of a cgroup as the prefix.
    fn first_of(names: Names<'_>, count: usize) -> Self {
        Self {
            prefix: names
                .outermost_first()
                .take(count)
                .map(Into::into)
                .collect(),
        }
    }

    /// Whether the whole machine is the node.
    #[must_use]
    pub fn is_whole_machine(&self) -> bool {
        self.prefix.is_empty()
    }

    /// The path of the prefix, from the kernel's root on.
    #[must_use]
    pub fn path(&self) -> String {
        if self.prefix.is_empty() {
            return "/".to_owned();
        }
        let names = self.prefix.iter();
        names.fold(String::new(), |path, name| {
            path + "/" + &String::from_utf8_lossy(name)
        })
    }

    /// Where a cgroup belongs. The names behind the prefix decide, and the outermost container among
    /// them counts: a process in a container cannot take the id of another container.
    #[must_use]
    pub fn place(&self, cgroup: Names<'_>, ctr_namespaces: &[impl AsRef<str>]) -> CgroupPlace {
        let mut names = cgroup.outermost_first();
        for prefix in &self.prefix {
            if names.next() != Some(&**prefix) {
                return CgroupPlace::Other;
            }
        }
        match outermost(names, ctr_namespaces) {
            Some((_, runtime, id)) => CgroupPlace::Container(runtime, id),
            None => CgroupPlace::Host,
        }
    }
}

impl Whereabouts<'_> {
    /// The node that these places show.
    fn node(&self, ctr_namespaces: &[impl AsRef<str>]) -> Node {
        let all = nested(self.sensor, ctr_namespaces);
        match all[..] {
            [] => Node::default(),
            // The sensor is a container of its node, so the node is the container around it.
            [.., node, _] => Node::first_of(self.sensor, node),
            // Either the sensor is a container of the machine, or it is a process in a node that is
            // a container: then the node's first process is in that container too.
            [container] => {
                let first = self.first.outermost_first().take(container);
                let is_within = self.sensor.outermost_first().take(container).eq(first);
                let is_containers_own = self.is_own && self.sensor == self.first;
                if is_within && !is_containers_own {
                    Node::first_of(self.sensor, container)
                } else {
                    Node::default()
                }
            }
        }
    }
}

/// For each container around a cgroup, from outside to inside, the number of names up to and with
/// its own.
fn nested(cgroup: Names<'_>, ctr_namespaces: &[impl AsRef<str>]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut last = None;
    let mut end = 0;
    for _ in 0..NESTED_MAX {
        let rest = cgroup.outermost_first().skip(end);
        let Some((length, _, id)) = outermost(rest, ctr_namespaces) else {
            break;
        };
        end += length;
        // A runtime may make more than one cgroup for a container.
        if last.replace(id) == Some(id) {
            ends.pop();
        }
        ends.push(end);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMESPACES: &[&str] = &["default", "k8s.io", "moby"];

    /// A container id that consists of one digit.
    fn id(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    /// The names of a path in which `<a>` stands for the id of `a`s.
    fn names(path: &str) -> Vec<u8> {
        let mut path = path.to_owned();
        for digit in 'a'..='f' {
            path = path.replace(&format!("<{digit}>"), &id(digit));
        }
        let names = path.split('/').rev().filter(|name| !name.is_empty());
        names
            .flat_map(|name| [name.as_bytes(), b"\0"].concat())
            .collect()
    }

    fn found(sensor: &str, first: &str, is_own: bool) -> String {
        let (sensor, first) = (names(sensor), names(first));
        let whereabouts = Whereabouts {
            sensor: Names(&sensor),
            first: Names(&first),
            is_own,
        };
        let node = Node::find(&NodeOptions::Auto, Some(whereabouts), NAMESPACES);
        let short = |path: String, digit| path.replace(&id(digit), &format!("<{digit}>"));
        ('a'..='f').fold(node.path(), short)
    }

    macro_rules! nodes {
        ($($test:ident: $sensor:literal, $first:literal, own $own:literal => $expected:literal;)*) => {$(
            #[test]
            fn $test() {
                assert_eq!(found($sensor, $first, $own), $expected);
            }
        )*};
    }

    nodes! {
        a_service_of_the_machine_has_the_whole_machine:
            "/system.slice/sensor.service", "/init.scope", own false => "/";
        a_process_in_the_root_has_the_whole_machine: "/", "/", own true => "/";
        a_pod_of_the_machine_has_the_whole_machine:
            "/kubepods/besteffort/pod1/<b>", "/init.scope", own false => "/";
        a_pod_in_a_pid_namespace_of_its_own_has_the_whole_machine:
            "/kubepods/besteffort/pod1/<b>", "/kubepods/besteffort/pod1/<b>", own true => "/";
        a_container_with_a_small_init_has_the_whole_machine:
            "/docker/<a>", "/docker/<a>", own true => "/";
        a_container_in_the_hosts_pid_namespace_has_the_whole_machine:
            "/system.slice/docker-<a>.scope", "/init.scope", own false => "/";
        a_pod_of_kind_has_the_nodes_container:
            "/docker/<a>/kubelet/kubepods/besteffort/pod1/<b>", "/docker/<a>/init.scope", own false
            => "/docker/<a>";
        a_pod_of_kind_with_systemd_has_the_nodes_container:
            "/system.slice/docker-<a>.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-<b>.scope",
            "/system.slice/docker-<a>.scope/init.scope", own false
            => "/system.slice/docker-<a>.scope";
        a_pod_of_kind_in_a_pid_namespace_of_its_own_has_the_nodes_container:
            "/docker/<a>/kubelet/kubepods/pod1/<b>", "/docker/<a>/kubelet/kubepods/pod1/<b>", own true
            => "/docker/<a>";
        a_service_in_a_node_has_the_nodes_container:
            "/docker/<a>/system.slice/sensor.service", "/docker/<a>/init.scope", own true
            => "/docker/<a>";
        a_process_that_entered_a_node_has_the_nodes_container:
            "/docker/<a>", "/docker/<a>", own false => "/docker/<a>";
        kind_in_docker_in_a_pod_has_the_innermost_node:
            "/kubepods/pod1/<c>/docker/<a>/kubelet/kubepods/pod2/<b>",
            "/kubepods/pod1/<c>/docker/<a>/init.scope", own false
            => "/kubepods/pod1/<c>/docker/<a>";
        a_node_of_podman_has_one_prefix_though_podman_makes_two_cgroups:
            "/machine.slice/libpod-<a>.scope/libpod-payload-<a>/kubepods/pod1/<b>",
            "/machine.slice/libpod-<a>.scope/libpod-payload-<a>/init", own false
            => "/machine.slice/libpod-<a>.scope/libpod-payload-<a>";
        a_node_in_lxc_is_a_node:
            "/lxc.payload.node1/kubepods/pod1/<b>", "/lxc.payload.node1/init.scope", own false
            => "/lxc.payload.node1";
    }

    /// The owner of a cgroup for the node in container `a`.
    fn owner(path: &str) -> CgroupPlace {
        let node = Node::below(&format!("/docker/{}", id('a')));
        node.place(Names(&names(path)), NAMESPACES)
    }

    fn container(digit: char) -> CgroupPlace {
        let id = ContainerId::new(id(digit).as_bytes()).expect("the test set this up");
        CgroupPlace::Container(Runtime::Cri, id)
    }

    #[test]
    fn containers_of_a_node_count_from_its_prefix_on_and_the_rest_of_the_node_is_its_host() {
        assert_eq!(
            owner("/docker/<a>/kubelet/kubepods/pod1/<b>"),
            container('b')
        );
        for host in [
            "/docker/<a>",
            "/docker/<a>/init.scope",
            "/docker/<a>/system.slice/x.service",
        ] {
            assert_eq!(owner(host), CgroupPlace::Host, "{host}");
        }
    }

    #[test]
    fn what_is_outside_of_the_prefix_belongs_to_another_node() {
        for other in [
            "/",
            "/docker",
            "/docker/<c>",
            "/docker/<c>/kubelet/kubepods/pod1/<b>",
            "/system.slice/docker.service",
            "/kubelet/docker/<a>/kubepods/pod1/<b>",
        ] {
            assert_eq!(owner(other), CgroupPlace::Other, "{other}");
        }
    }

    #[test]
    fn a_pod_that_makes_a_cgroup_with_the_id_of_another_stays_itself() {
        let pod = "/docker/<a>/kubelet/kubepods/pod1/<b>";
        for inner in [
            "/docker/<c>",
            "/<c>",
            "/docker/<a>/kubelet/kubepods/pod2/<c>",
        ] {
            assert_eq!(owner(&format!("{pod}{inner}")), container('b'), "{inner}");
        }
    }

    #[test]
    fn docker_in_docker_inside_a_pod_belongs_to_the_pod() {
        let nested = "/docker/<a>/kubelet/kubepods/pod1/<b>/docker/<c>/docker/<d>";
        assert_eq!(owner(nested), container('b'));
    }

    #[test]
    fn a_configured_path_is_the_prefix_whatever_the_places_are() {
        let own = names("/docker/<a>/kubepods/pod1/<b>");
        let whereabouts = Whereabouts {
            sensor: Names(&own),
            first: Names(&own),
            is_own: true,
        };
        let below = |path: &str| {
            let options = NodeOptions::Below(path.to_owned());
            Node::find(&options, Some(whereabouts), NAMESPACES).path()
        };
        assert_eq!(below("/"), "/");
        assert_eq!(below("/some/where/"), "/some/where");
        let node = Node::find(&NodeOptions::Auto, None, NAMESPACES);
        assert!(node.is_whole_machine());
    }
}
