//! Containers of a real containerd: every event gets its container, in order and in time.

use std::{
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use events::Release;
use metadata::{
    Container, ContainerState, Engine, KubeOptions, MetadataOptions, RuntimeOptions, RuntimeSocket,
    SocketState, Users, UsersOptions, boot_now,
};
use tests::{
    enricher::{EVENTS, Enriched, Enricher},
    proxy::Proxy,
    testbed::{Pod, PodSpec, TestBed},
};

fn options(socket: &Path) -> MetadataOptions {
    MetadataOptions {
        runtimes: RuntimeOptions::at([RuntimeSocket::required(Engine::Containerd, socket)]),
        kube: KubeOptions {
            enabled: false,
            ..KubeOptions::default()
        },
        ..MetadataOptions::default()
    }
}

fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// All events of a pod's container, complete and in order.
fn assert_complete(enricher: &Enricher, pod: &Pod, name: &str) {
    let events = enricher.all_events(&pod.container);
    let numbers: Vec<u64> = events.iter().map(|e| e.number).collect();
    assert_eq!(numbers, (1..=EVENTS).collect::<Vec<_>>());
    for event in events {
        let c = event
            .container
            .unwrap_or_else(|| panic!("{name}: {:?}", event.outcome));
        let of = c.pod.expect("the test set this up");
        assert_eq!(
            (&*of.name, &*of.namespace, &*of.uid),
            (name, "shop", &*pod.uid)
        );
        assert_eq!(of.labels_text.as_deref(), Some("app:demo"));
        assert_eq!(c.name.as_deref(), Some("main"));
        assert_eq!(c.image.as_deref(), Some(tests::testbed::TOOLS));
        assert_eq!(c.privileged, Some(false));
        assert!(
            c.digest
                .expect("the test set this up")
                .starts_with("sha256:")
        );
    }
}

fn demo(name: &str) -> PodSpec {
    PodSpec::new(name, "shop").label("app", "demo")
}

/// Number of pods; `SENSOR_TEST_PODS=200` for the number that the specification promises.
fn pods() -> usize {
    std::env::var("SENSOR_TEST_PODS").map_or(20, |n| n.parse().expect("the test set this up"))
}

#[test]
fn pods_one_after_another_and_ten_at_a_time_are_complete() {
    let bed = TestBed::start();
    let enricher = Enricher::start(options(&bed.socket()), &bed.cgroup());
    let short = |name: &str| demo(name).command(&["/bin/sh", "-c", "/bin/true; sleep 0.03"]);
    for n in 0..pods() {
        let name = format!("one-{n}");
        let pod = bed.pod(&short(&name));
        assert_complete(&enricher, &pod, &name);
        bed.remove(&pod);
    }
    for round in 0..pods() / 10 {
        let begun: Vec<_> = (0..10)
            .map(|n| format!("ten-{round}-{n}"))
            .map(|name| (bed.begin_pod(&short(&name)), name))
            .collect();
        for (pod, name) in begun {
            let pod = pod.wait();
            assert_complete(&enricher, &pod, &name);
            bed.remove(&pod);
        }
    }
    assert_eq!(value(&enricher.releases.timeout), 0);
    let held = enricher.statistics();
    println!(
        "{} events held: median {:?}, maximum {:?}",
        held.released,
        Duration::from_nanos(held.median),
        Duration::from_nanos(held.max)
    );
}

#[test]
fn containers_that_were_there_before_are_known_with_all_that_runs_them() {
    let bed = TestBed::start();
    let data = bed.dir().join("log");
    let plain =
        bed.pod(&demo("plain").mount(data.to_str().expect("the test set this up"), "/data"));
    let strong = bed.pod(&demo("strong").privileged().host_pid());
    let enricher = Enricher::start(options(&bed.socket()), &bed.cgroup());
    let known = |id: &str| -> Container {
        enricher
            .all_events(id)
            .pop()
            .expect("the test set this up")
            .container
            .unwrap()
    };
    let c = known(&plain.container);
    assert_eq!((c.privileged, c.host_pid), (Some(false), Some(false)));
    assert_eq!(c.host_network, Some(true), "the bed's pods have the host's");
    assert_eq!(
        c.sandbox.expect("the test set this up").full(),
        plain.sandbox
    );
    assert_eq!(c.mounts.iter().filter(|m| &*m.dest == "/data").count(), 1);
    let c = known(&strong.container);
    assert_eq!((c.privileged, c.host_pid), (Some(true), Some(true)));
    let c = known(&plain.sandbox);
    assert_eq!(c.name.as_deref(), Some("POD"));
    assert_eq!(&*c.pod.expect("the test set this up").name, "plain");
}

#[test]
fn users_are_the_containers_through_its_process_and_through_its_bundle() {
    let bed = TestBed::start();
    let pod = bed.pod(&demo("users"));
    let enricher = Enricher::start(options(&bed.socket()), &bed.cgroup());
    enricher.wait("init", |e| {
        let last = e.events(&pod.container).pop();
        last.is_some_and(|e| e.container.is_some_and(|c| c.rootfs.is_some()))
    });
    let last = enricher.all_events(&pod.container).pop();
    let mut container = last
        .expect("the test set this up")
        .container
        .expect("the test set this up");
    let names = |container: &Container, pid: u32| {
        let options = UsersOptions {
            patience: Duration::from_secs(10),
            ..UsersOptions::default()
        };
        let mut users = Users::new(options, std::sync::Arc::default());
        users.prepare(ContainerState::Known(container), pid, boot_now());
        let id = Some(&container.id);
        let text = |s: &str| s.to_owned();
        (
            text(users.user_name(id, 1000)),
            text(users.group_name(id, 1000)),
        )
    };
    let expected = ("app".to_owned(), "crew".to_owned());
    container.init = None;
    assert_eq!(names(&container, u32::MAX), expected, "bundle");
    container.rootfs = None;
    assert_eq!(names(&container, u32::MAX).0, "<NA>");
    let pid = bed_pid(&bed, &pod);
    assert_eq!(names(&container, pid), expected, "process");
    assert_eq!(
        names(&container, std::process::id()).0,
        "<NA>",
        "not its process"
    );
}

/// A process of a container of a pod.
fn bed_pid(bed: &TestBed, pod: &Pod) -> u32 {
    let below = format!(
        "{}/kubepods/besteffort/pod{}/{}",
        bed.cgroup(),
        pod.uid,
        pod.container
    );
    let processes = std::fs::read_dir("/proc")
        .expect("the test set this up")
        .flatten();
    processes
        .filter_map(|p| p.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .is_ok_and(|text| text.contains(&below))
        })
        .expect("the test set this up")
}

#[test]
fn a_socket_that_stalls_for_a_second_costs_nothing_but_time() {
    let bed = TestBed::start();
    let (_proxy, enricher, begun) = stalled_pods(&bed, Duration::from_secs(1), 50);
    for (name, pod) in begun {
        assert_complete(&enricher, &pod, &name);
    }
    assert_eq!(value(&enricher.releases.timeout), 0);
}

#[test]
fn a_socket_that_stalls_for_ten_seconds_loses_no_event_and_what_waited_too_long_is_counted() {
    let bed = TestBed::start();
    let (proxy, enricher, begun) = stalled_pods(&bed, Duration::from_secs(10), 50);
    let mut late = 0;
    for (_, pod) in &begun {
        for id in [&pod.container, &pod.sandbox] {
            let events = enricher.all_events(id);
            assert_eq!(events.len() as u64, EVENTS);
            assert!(events.iter().map(|e| e.number).is_sorted());
            let is_late = |e: &&Enriched| e.container.is_none();
            for event in events.iter().filter(is_late) {
                let reported = || format!("{event:?}: {:#?}", enricher.notices());
                assert_eq!(event.outcome, Some(Release::Timeout), "{}", reported());
                late += 1;
            }
        }
    }
    assert!(late > 0);
    assert_eq!(value(&enricher.releases.timeout), late);
    // On an idle machine, ten seconds are more than enough to make these pods.
    proxy.wait_until_bytes_flow();
    enricher.wait("answers after the stall", |e| e.health.runtimes_ready());
    let pod = bed.pod(&demo("after"));
    assert_complete(&enricher, &pod, "after");
}

/// Pods that the test makes while the sensor's socket stalls.
fn stalled_pods(
    bed: &TestBed,
    time: Duration,
    pods: usize,
) -> (Proxy, Enricher, Vec<(String, Pod)>) {
    let proxy = Proxy::start(&bed.dir().join("proxy.sock"), &bed.socket());
    let enricher = Enricher::start(options(proxy.path()), &bed.cgroup());
    proxy.stall(time);
    let begun: Vec<_> = (0..pods)
        .map(|n| format!("stalled-{n}"))
        .map(|name| (bed.begin_pod(&demo(&name)), name))
        .collect();
    let pods = begun.into_iter().map(|(pod, name)| (name, pod.wait()));
    let pods = pods.collect();
    (proxy, enricher, pods)
}

#[test]
fn a_restarted_containerd_is_found_again_at_its_new_socket() {
    let bed = TestBed::start();
    let enricher = Enricher::start(options(&bed.socket()), &bed.cgroup());
    let before = bed.pod(&demo("before"));
    assert_complete(&enricher, &before, "before");
    let inode = bed.socket().metadata().expect("the test set this up").ino();
    bed.stop_containerd();
    enricher.wait("loss", |e| !e.health.runtimes_ready());
    bed.start_containerd();
    assert_ne!(
        bed.socket().metadata().expect("the test set this up").ino(),
        inode
    );
    enricher.wait("containerd", |e| e.health.runtimes_ready());
    let after = bed.pod(&demo("after"));
    assert_complete(&enricher, &after, "after");
}

#[test]
fn containerd_is_found_where_microk8s_has_it_below_the_hosts_root() {
    let bed = TestBed::start();
    let root = bed.dir().join("host");
    let run = root.join("var/snap/microk8s/common");
    std::fs::create_dir_all(&run).expect("the test set this up");
    symlink(bed.dir().join("run"), run.join("run")).expect("the test set this up");
    let mut options = options(&bed.socket());
    options.runtimes = RuntimeOptions {
        host_root: Some(root.clone()),
        ..RuntimeOptions::default()
    };
    let enricher = Enricher::start(options, &bed.cgroup());
    let pod = bed.pod(&demo("micro"));
    assert_complete(&enricher, &pod, "micro");
    let mut sockets = enricher.health.runtimes().into_iter();
    let ready = sockets.find(|s| s.state == SocketState::Connected);
    assert_eq!(
        ready.expect("the test set this up").socket,
        run.join("run/containerd.sock")
    );
}

#[test]
fn a_name_used_again_is_given_to_each_of_its_containers_in_turn() {
    let bed = TestBed::start();
    let enricher = Enricher::start(options(&bed.socket()), &bed.cgroup());
    let run = |label: &str| {
        let runc = bed.dir().join("runc");
        let label = format!("turn={label}");
        let image = tests::testbed::TOOLS;
        let args = [
            "run",
            "-d",
            "--label",
            &label,
            "--runc-root",
            runc.to_str().expect("the test set this up"),
        ];
        let place = format!("{}/kubepods/besteffort/named/again", bed.cgroup());
        let cgroup = ["--cgroup", &place, image, "again", "/bin/sleep", "1000"];
        bed.ctr(&[&args[..], &cgroup].concat());
        let lived = enricher.look("again");
        bed.ctr(&["task", "kill", "-s", "KILL", "again"]);
        std::thread::sleep(Duration::from_millis(300));
        bed.ctr(&["task", "rm", "-f", "again"]);
        bed.ctr(&["container", "rm", "again"]);
        lived
    };
    let turns = ["first", "second", "third"];
    let lived = turns.map(run);
    for (turn, happened) in turns.iter().zip(lived) {
        let container = enricher
            .look_at("again", happened)
            .expect("the test set this up");
        let label = metadata::label(&container.labels, "turn");
        assert_eq!(label, Some(*turn));
    }
    assert_eq!(enricher.look_at("again", lived[0] - 2_000_000_000), None);
}

#[test]
fn the_absence_of_every_socket_is_reported_once() {
    let dir = tempfile::tempdir().expect("the test set this up");
    let enricher = Enricher::start_unready(options(&dir.path().join("none.sock")), "/none");
    enricher.wait("notice", |e| !e.notices().is_empty());
    std::thread::sleep(Duration::from_millis(400));
    let notices = enricher.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].to_string().contains("none.sock"));
    assert!(!enricher.health.runtimes_ready());
}
