//! Nodes that are containers themselves and share this kernel, as kind, k3d and minikube make them:
//! each sensor has the events of its own node, and ids of containers count from there on.

use harness::{container, sensor::wait_for};
use serde_json::{Value, json};
use tests::{Act, Cgroup, Event, Scene, Seen, Setup};

/// The cgroups of a node, laid out as kind does.
struct Node {
    path: String,
    sensor: Cgroup,
    pod: Cgroup,
    /// The container of the pod.
    id: String,
    service: Cgroup,
}

impl Node {
    fn new() -> Self {
        let path = format!("docker/{}", container::id());
        let pod = |id: &str| {
            let uid = &container::id()[..12];
            Cgroup::new(&format!("{path}/kubelet/kubepods/besteffort/pod{uid}/{id}"))
        };
        let id = container::id();
        Self {
            sensor: pod(&container::id()),
            pod: pod(&id),
            service: Cgroup::new(&format!("{path}/system.slice/containerd.service")),
            id,
            path,
        }
    }

    /// The value of `container.id` in the pod.
    fn short_id(&self) -> Value {
        self.id[..12].into()
    }
}

/// Programs that only their names tell apart, each to be executed in a cgroup.
fn acts(scene: &Scene, places: &[(&str, &Cgroup)]) -> Act {
    places.iter().fold(Act::new(), |act, (name, cgroup)| {
        let enter = Act::new().then("enter-cgroup", [cgroup.procs()]);
        act.beside(enter.exec(scene.program(name), [name]))
    })
}

/// The container of each event: its program and `container.id`.
fn containers(seen: &Seen) -> Vec<(String, Value)> {
    let of = |event: &Event| {
        (
            event.text("proc.name").to_owned(),
            event.field("container.id").clone(),
        )
    };
    let mut all: Vec<_> = seen.events.iter().map(of).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn two_sensors_on_one_kernel_see_the_pods_of_their_own_nodes() {
    let scene = Scene::new();
    let (a, b) = (Node::new(), Node::new());
    let machine = Cgroup::new(&format!("machine-{}.service", &container::id()[..12]));
    let actor = acts(
        &scene,
        &[
            ("pod_a", &a.pod),
            ("pod_b", &b.pod),
            ("service_a", &a.service),
            ("service_b", &b.service),
            ("machine", &machine),
        ],
    )
    .start();
    let [of_a, of_b] =
        [&a, &b].map(|node| Setup::watching(actor.pid()).within(&node.sensor).start());
    let _ = actor.go();
    let [of_a, of_b] = [of_a, of_b].map(|sensor| {
        let seen = sensor.stop();
        seen.counters().assert_complete();
        seen
    });
    let expected = |node: &Node, name: &str| {
        vec![
            (format!("pod_{name}"), node.short_id()),
            (format!("service_{name}"), json!("host")),
        ]
    };
    assert_eq!(containers(&of_a), expected(&a, "a"), "{}", of_a.stderr);
    assert_eq!(containers(&of_b), expected(&b, "b"), "{}", of_b.stderr);
    assert!(of_a.stderr.contains(&format!("its cgroup is /{}", a.path)));
}

#[test]
fn a_sensor_outside_of_all_nodes_sees_the_containers_of_the_machine() {
    let scene = Scene::new();
    let node = Node::new();
    let seen = scene.act(acts(&scene, &[("pod", &node.pod)]));
    let outermost = &node.path["docker/".len()..][..12];
    assert_eq!(containers(&seen), [("pod".into(), outermost.into())]);
}

#[test]
fn events_of_another_node_are_dropped_in_the_kernel_and_counted() {
    const EXECS: usize = 300;
    let scene = Scene::new();
    let (mine, other) = (Node::new(), Node::new());
    let tool = scene.program("tool");
    // The sensor has to see the first exec before the kernel can drop the next ones.
    let first = Act::new().then("enter-cgroup", [other.pod.procs()]);
    let spawn = |act: Act, _| act.then("spawn", [&tool]).argv(["tool"]);
    let actor = (0..EXECS).fold(first, spawn).start();
    let sensor = Setup::watching(actor.pid()).within(&mine.sensor).start();
    let _ = actor.go();
    let seen = sensor.stop();
    let counters = seen.counters();
    counters.assert_complete();
    assert_eq!(containers(&seen), []);
    let dropped = counters.kernel("filtered_other_node");
    assert!(dropped > 0, "{}", seen.stderr);
    assert_eq!(
        dropped + counters.user("received"),
        EXECS as u64,
        "{}",
        seen.stderr
    );
}

#[test]
fn the_configured_cgroup_is_the_node_wherever_the_sensor_runs() {
    let scene = Scene::new();
    let (a, b) = (Node::new(), Node::new());
    let act = acts(&scene, &[("pod_a", &a.pod), ("pod_b", &b.pod)]);
    let (seen, ..) = scene.act_under(act, |setup| {
        setup.option("sensor.node_cgroup", format!("/{}", b.path))
    });
    assert_eq!(containers(&seen), [("pod_b".into(), b.short_id())]);
    let act = acts(&scene, &[("pod_a", &a.pod)]);
    let (seen, ..) = scene.act_under(act, |setup| {
        setup.within(&b.sensor).option("sensor.node_cgroup", "/")
    });
    let outermost = &a.path["docker/".len()..][..12];
    assert_eq!(containers(&seen), [("pod_a".into(), outermost.into())]);
}

#[test]
fn a_pod_that_makes_a_cgroup_with_the_id_of_another_pod_stays_itself() {
    let scene = Scene::new();
    let node = Node::new();
    let pod = format!(
        "{}/kubelet/kubepods/besteffort/podx/{}",
        node.path,
        container::id()
    );
    let victim = &node.id;
    let places = [
        ("plain", format!("{pod}/{victim}")),
        ("docker", format!("{pod}/docker/{victim}")),
        (
            "whole_path",
            format!(
                "{pod}/{}/kubelet/kubepods/besteffort/podv/{victim}",
                node.path
            ),
        ),
        ("scope", format!("{pod}/cri-containerd-{victim}.scope")),
    ];
    let cgroups = places
        .each_ref()
        .map(|(name, path)| (*name, Cgroup::new(path)));
    let act = acts(
        &scene,
        &cgroups.each_ref().map(|(name, cgroup)| (*name, cgroup)),
    );
    let (seen, ..) = scene.act_under(act, |setup| setup.within(&node.sensor));
    let own = &pod[pod.len() - 64..][..12];
    let found = containers(&seen);
    assert_eq!(found.len(), places.len(), "{found:?}");
    assert!(found.iter().all(|(_, id)| *id == own), "{found:?}");
}

#[test]
fn docker_in_docker_inside_a_pod_belongs_to_the_pod() {
    let scene = Scene::new();
    let node = Node::new();
    let pod = format!(
        "{}/kubelet/kubepods/besteffort/pody/{}",
        node.path,
        container::id()
    );
    let inner = Cgroup::new(&format!(
        "{pod}/docker/{}/docker/{}",
        container::id(),
        container::id()
    ));
    let act = acts(&scene, &[("inner", &inner)]);
    let (seen, ..) = scene.act_under(act, |setup| setup.within(&node.sensor));
    let own = &pod[pod.len() - 64..][..12];
    assert_eq!(containers(&seen), [("inner".into(), own.into())]);
}

#[test]
fn a_reload_keeps_the_node() {
    let scene = Scene::new();
    let (a, b) = (Node::new(), Node::new());
    let actor = acts(&scene, &[("pod_a", &a.pod), ("pod_b", &b.pod)]).start();
    let sensor = Setup::watching(actor.pid()).within(&a.sensor).start();
    sensor.reload(include_str!("../harness/src/rules.yaml"));
    let _ = actor.go();
    assert!(wait_for(|| !sensor.lines().is_empty()));
    assert_eq!(containers(&sensor.stop()), [("pod_a".into(), a.short_id())]);
}
