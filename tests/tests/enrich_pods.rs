//! The whole sensor on pods of a real containerd.

use std::collections::BTreeMap;

use tests::{
    Event, Seen, Sensor, Setup,
    sensor::wait_for,
    testbed::{Pod, PodSpec, TOOLS, TestBed},
};

const RULES: &str = r"
- rule: Exec in a container
  desc: Every exec in a container, with its pod.
  condition: evt.type = execve and container.id != host
  priority: NOTICE
  output: >-
    name=%proc.name cmdline=%proc.cmdline pname=%proc.pname exepath=%proc.exepath vpid=%proc.vpid time=%evt.rawtime user=%user.name group=%group.name uid=%user.uid
    id=%container.id full=%container.full_id container=%container.name type=%container.type
    image=%container.image repository=%container.image.repository tag=%container.image.tag
    digest=%container.image.digest privileged=%container.privileged start=%container.start_ts
    pod=%k8s.pod.name ns=%k8s.ns.name poduid=%k8s.pod.uid labels=%k8s.pod.labels app=%k8s.pod.label[app]
    sandbox=%k8s.pod.sandbox_id
";

/// Number of execs in the chain of a pod.
const CHAIN: [&str; 5] = ["env", "env", "env", "env", "true"];

fn setup(bed: &TestBed) -> Setup {
    Setup::of_the_machine()
        .rules(RULES)
        .option("sensor.containerd.enabled", true)
        .option("sensor.containerd.sockets[]", bed.socket().display())
}

/// A pod that lives as long as five execs take.
fn chain(name: &str) -> PodSpec {
    PodSpec::new(name, "shop").label("app", "demo").command(&[
        "/usr/bin/env",
        "/usr/bin/env",
        "/usr/bin/env",
        "/usr/bin/env",
        "/usr/bin/true",
    ])
}

/// Number of pods; `SENSOR_TEST_PODS=200` for the number that the specification promises.
fn pods() -> usize {
    std::env::var("SENSOR_TEST_PODS").map_or(20, |n| n.parse().expect("the test set this up"))
}

/// The events of a container, without those of its runtime: on a busy machine
/// `runc init` can be in the container's cgroup already when it executes itself.
fn of<'a>(seen: &'a Seen, id: &str) -> Vec<&'a Event> {
    let is = |event: &&Event| event.field("container.id") == &id[..12];
    let (runtime, own): (Vec<_>, Vec<_>) = seen
        .events
        .iter()
        .filter(is)
        .partition(|event| event.text("proc.cmdline").ends_with(" init"));
    for event in runtime {
        assert!(!event.text("k8s.pod.name").is_empty());
    }
    own
}

/// Waits until the log has these execs (containers and programs): events that wait for containerd
/// come late. On a machine where others run containers, the sensor is never idle.
fn wait_for_execs(sensor: &Sensor, execs: &[(&str, &str)]) {
    let all = || {
        let lines = sensor.lines();
        execs.iter().all(|(id, program)| {
            let of_id = lines.iter().filter(|line| line.contains(id));
            let mut events = of_id.map(|line| Event::parse(line));
            events.any(|event| event.field("proc.name") == program)
        })
    };
    assert!(
        wait_for(all),
        "not all of {execs:?} is written:\n{}",
        sensor.stderr()
    );
}

fn assert_pod(events: &[&Event], pod: &Pod, name: &str) {
    for event in events {
        assert_eq!(event.text("k8s.pod.name"), name);
        assert_eq!(event.text("k8s.ns.name"), "shop");
        assert_eq!(event.text("k8s.pod.uid"), pod.uid);
        assert_eq!(event.text("k8s.pod.labels"), "app:demo");
        assert_eq!(event.text("k8s.pod.label[app]"), "demo");
        assert_eq!(event.text("k8s.pod.sandbox_id"), &pod.sandbox[..12]);
        assert_eq!(event.text("container.type"), "containerd");
        assert!(event.text("container.image.digest").starts_with("sha256:"));
        assert!(!event.is("container.privileged"));
    }
}

#[test]
fn every_exec_of_pods_that_live_for_milliseconds_has_its_pod() {
    let bed = TestBed::start();
    let sensor = setup(&bed).start();
    assert!(wait_for(|| sensor.stderr().contains("containerd answers")));
    let mut made = BTreeMap::new();
    for n in 0..pods() {
        let name = format!("one-{n}");
        let pod = bed.pod(&chain(&name));
        made.insert(name, pod);
    }
    for round in 0..pods() / 10 {
        let begun: Vec<_> = (0..10)
            .map(|n| format!("ten-{round}-{n}"))
            .map(|name| (bed.begin_pod(&chain(&name)), name))
            .collect();
        made.extend(begun.into_iter().map(|(pod, name)| (name, pod.wait())));
    }
    let pods = made.values();
    let execs = pods.flat_map(|pod| [(&*pod.sandbox, "pause"), (&*pod.container, "true")]);
    wait_for_execs(&sensor, &execs.collect::<Vec<_>>());
    let seen = sensor.stop();
    for (name, pod) in &made {
        let events = of(&seen, &pod.container);
        let names: Vec<_> = events.iter().map(|e| e.text("proc.name")).collect();
        assert_eq!(names, CHAIN, "{name}: {events:#?}");
        assert_pod(&events, pod, name);
        for event in events {
            assert_eq!(event.text("container.name"), "main");
            assert_eq!(event.text("container.image"), TOOLS);
            assert_eq!(event.text("container.full_id"), pod.container);
            assert_eq!(event.text("user.name"), "root");
        }
        let pause = of(&seen, &pod.sandbox);
        assert_eq!(pause.len(), 1, "{name}: {pause:#?}");
        assert_pod(&pause, pod, name);
        assert_eq!(pause[0].text("container.name"), "POD");
    }
    let hold = |name: &str| seen.counters().hold(name);
    println!(
        "{} events held: median {} µs, maximum {} µs",
        hold("released"),
        hold("median_us"),
        hold("max_us")
    );
    assert!(hold("median_us") <= hold("max_us"));
}

#[test]
fn a_user_of_the_container_has_the_containers_name_also_in_its_first_exec() {
    let bed = TestBed::start();
    let sensor = setup(&bed).start();
    assert!(wait_for(|| sensor.stderr().contains("containerd answers")));
    let pod = bed.pod(&chain("crew").command(&["/usr/bin/true"]).run_as(1000));
    wait_for_execs(&sensor, &[(&pod.container, "true")]);
    let seen = sensor.stop();
    let events = of(&seen, &pod.container);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].number("user.uid"), 1000);
    assert_eq!(events[0].text("user.name"), "app");
}

#[test]
fn an_exec_into_a_pod_that_was_there_before_has_its_pod() {
    let bed = TestBed::start();
    let pod = bed.pod(&PodSpec::new("before", "shop").label("app", "demo"));
    let sensor = setup(&bed).start();
    let _ = bed.exec(&pod.container, &["/usr/bin/true"]);
    wait_for_execs(&sensor, &[(&pod.container, "true")]);
    let seen = sensor.stop();
    let events = of(&seen, &pod.container);
    assert_eq!(events.last().unwrap().text("proc.name"), "true");
    assert_pod(&events, &pod, "before");
}

/// A rule that prints nothing of the container, on macros and lists of the base files.
const SHARED_MEMORY: &str = "
- rule: Execution from /dev/shm
  desc: A shell runs what lies in shared memory.
  condition: spawned_process and container and shell_procs and proc.args startswith '-c /dev/shm'
  output: 'Run from shared memory | process=%proc.name command=%proc.cmdline'
  priority: WARNING
";

/// The rules of the Falco project if `FALCO_RULES` names a directory with them, else one like
/// theirs.
fn public_rules() -> String {
    let directory = std::env::var_os("FALCO_RULES").map(std::path::PathBuf::from);
    if let Some(file) = directory.map(|directory| directory.join("falco_rules.yaml")) {
        return std::fs::read_to_string(file).expect("the file can be read");
    }
    eprintln!("FALCO_RULES names no directory with Falco's rule files: a rule of our own");
    SHARED_MEMORY.to_owned()
}

#[test]
fn an_alert_of_a_pod_has_the_fields_that_falco_suggests() {
    let bed = TestBed::start();
    let rules = public_rules();
    let sensor = setup(&bed).rules("[]").start();
    assert!(wait_for(|| sensor.stderr().contains("containerd answers")));
    sensor.append_to_configuration("append_output: [{suggested_output: true}]\n");
    sensor.reload(&rules);
    let pod = bed.pod(&chain("runs").command(&["/bin/sh", "-c", "/dev/shm/program"]));
    wait_for_execs(&sensor, &[(&pod.container[..12], "sh")]);
    let seen = sensor.stop();
    let events = of(&seen, &pod.container);
    let rule = "Execution from /dev/shm";
    let mut alerts = events.iter().filter(|event| event.0["rule"] == rule);
    let alert = alerts.next().unwrap();
    let (repository, tag) = TOOLS.rsplit_once(':').unwrap();
    let suggested = format!(
        " container_id={} container_name=main container_image_repository={repository} \
         container_image_tag={tag} k8s_pod_name=runs k8s_ns_name=shop",
        &pod.container[..12],
    );
    let output = alert.0["output"].as_str().unwrap();
    assert!(output.ends_with(&suggested), "{output}");
    for (field, value) in [
        ("container.id", &pod.container[..12]),
        ("container.name", "main"),
        ("container.image.repository", repository),
        ("container.image.tag", tag),
        ("k8s.pod.name", "runs"),
        ("k8s.ns.name", "shop"),
    ] {
        assert_eq!(alert.text(field), value, "{field}");
    }
}
