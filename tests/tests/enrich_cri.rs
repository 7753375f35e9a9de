//! Pods of a runtime that has CRI alone: containerd's answers, as CRI-O and cri-dockerd would give
//! them.

use std::path::Path;

use metadata::{Engine, KubeOptions, MetadataOptions, RuntimeOptions, RuntimeSocket};
use tests::{
    cri::Cri,
    enricher::{EVENTS, Enricher},
    testbed::{PodSpec, TestBed},
};

fn options(socket: &Path) -> MetadataOptions {
    MetadataOptions {
        runtimes: RuntimeOptions::at([RuntimeSocket::required(Engine::Cri, socket)]),
        kube: KubeOptions {
            enabled: false,
            ..KubeOptions::default()
        },
        ..MetadataOptions::default()
    }
}

/// What is known of each event of a new pod, one pod after another, and of a pod from before.
fn pods_are_complete(theirs: &str, ours: &str, knows_privileges: bool) {
    let bed = TestBed::start();
    let cri = Cri::start(bed.dir().join("cri.sock"), &bed.socket(), theirs);
    let spec = |name: &str| PodSpec::new(name, "shop").label("app", "demo");
    let data = bed.dir().join("log");
    let mounted = spec("before").mount(data.to_str().expect("a path"), "/data");
    let before = bed.pod(&mounted.privileged());
    let enricher = Enricher::start(options(cri.socket()), &bed.cgroup());
    let short = ["/bin/sh", "-c", "/bin/true; sleep 0.03"];
    let mut pods = vec![("before".to_owned(), before, true)];
    for n in 0..8 {
        let name = format!("short-{n}");
        let pod = bed.pod(&spec(&name).command(&short));
        pods.push((name, pod, false));
    }
    for (name, pod, is_privileged) in &pods {
        let events = enricher.all_events(&pod.container);
        assert_eq!(events.len() as u64, EVENTS);
        for event in events {
            let c = event
                .container
                .unwrap_or_else(|| panic!("{name}: {:?}", event.outcome));
            assert_eq!((c.runtime, c.name.as_deref()), (ours, Some("main")));
            assert_eq!(c.image.as_deref(), Some(tests::testbed::TOOLS));
            assert_eq!(c.tag.as_deref(), Some("1"));
            assert_eq!(c.privileged, knows_privileges.then_some(*is_privileged));
            assert_eq!(
                c.sandbox.map(|id| id.full().to_owned()),
                Some(pod.sandbox.clone())
            );
            assert_eq!(
                c.host_network,
                Some(true),
                "{name}: the bed's pods have the host's"
            );
            let of = c.pod.expect("a pod");
            assert_eq!(
                (&*of.name, &*of.namespace, &*of.uid),
                (&**name, "shop", &*pod.uid)
            );
            assert_eq!(of.labels_text.as_deref(), Some("app:demo"));
        }
    }
    let events = enricher.all_events(&pods[0].1.container);
    let c = events.last().and_then(|event| event.container.as_ref());
    let mut mounts = c.expect("it is known").mounts.iter();
    let mounted = mounts
        .find(|mount| &*mount.dest == "/data")
        .expect("the mount");
    assert_eq!(
        (mounted.read_write, &*mounted.propagation),
        (true, "private")
    );
}

#[test]
fn pods_of_crio_are_complete() {
    pods_are_complete("cri-o", "cri-o", true);
}

#[test]
fn pods_of_cri_dockerd_are_complete_but_for_what_only_docker_knows() {
    pods_are_complete("docker", "docker", false);
}

#[test]
fn containerd_at_a_socket_of_cri_is_asked_by_its_own_api() {
    let bed = TestBed::start();
    let enricher = Enricher::start(options(&bed.socket()), &bed.cgroup());
    let pod = bed.pod(&PodSpec::new("own", "shop"));
    let event = enricher.all_events(&pod.container).pop().expect("events");
    let container = event.container.expect("it is known");
    assert!(container.rootfs.is_some(), "CRI does not have it");
}
