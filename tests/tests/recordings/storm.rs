//! Many events, while everything changes that a line depends on.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{
    Cgroup,
    apiserver::{ApiServer, NODE, pod},
    container,
    late_docker::LateDocker,
    programs,
    recorder::{Recorded, Recorder},
    sensor::wait_for,
};

/// How long Docker takes for an answer.
const LATE: Duration = Duration::from_millis(400);
/// Containers one after the other, each of which is new to the sensor.
const CONTAINERS: u32 = 4;
/// Workers of each storm.
const WORKERS: u32 = 2;
/// A user of the host whose name changes.
const USER: u32 = 4242;

/// Events of all storms together; `SENSOR_TEST_RECORDED=100000` for the number of the promise.
fn events() -> u32 {
    std::env::var("SENSOR_TEST_RECORDED").map_or(8_000, |n| n.parse().expect("a number"))
}

/// Every exec and connect of the machine. `form` distinguishes the rules before and after a reload.
fn rules(form: &str) -> String {
    format!(
        "
- rule: {form}
  desc: Every event.
  condition: evt.type in (execve, execveat, connect)
  output: >
    %evt.num %evt.type %proc.cmdline %proc.exepath %proc.cwd %proc.aname[1] %proc.acmdline[2]
    %proc.aexepath[1] %user.name %user.homedir %group.name %container.id %container.name
    %container.image.repository %k8s.pod.name %k8s.pod.labels %k8s.pod.label[app] %fd.name {}
  priority: INFO
",
        if form == "After" {
            "%proc.env[HOME] %proc.aenv[2] %user.loginuid"
        } else {
            ""
        }
    )
}

/// What changes during the storm.
struct World {
    folder: TempDir,
    docker: LateDocker,
    server: ApiServer,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let docker = LateDocker::start(folder.path(), LATE);
        let world = Self {
            docker,
            server: ApiServer::start(),
            folder,
        };
        fs::create_dir(world.folder.path().join("etc")).unwrap();
        world.name_user("ann");
        world
    }

    fn options(&self) -> Vec<String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let kubeconfig = self.server.kubeconfig(self.folder.path());
        vec![
            "sensor.fairness.enabled=false".to_owned(),
            "engine.modern_ebpf.buf_size_preset=8".to_owned(),
            "sensor.containerd.enabled=false".to_owned(),
            "sensor.cri.enabled=false".to_owned(),
            "sensor.podman.enabled=false".to_owned(),
            "sensor.docker.enabled=true".to_owned(),
            "sensor.docker.sockets[]=/docker.sock".to_owned(),
            "sensor.kube.enabled=true".to_owned(),
            format!("sensor.kube.kubeconfig={}", kubeconfig.display()),
            format!("sensor.kube.node={NODE}"),
            format!("sensor.host_root={}", path("")),
        ]
    }

    /// Changes the name of the user of the host.
    fn name_user(&self, name: &str) {
        let etc = self.folder.path().join("etc");
        let passwd =
            format!("root:x:0:0::/root:/bin/sh\n{name}:x:{USER}:{USER}::/home/{name}:/bin/sh\n");
        // Whole files take the place of others, as tools do it.
        fs::write(etc.join("new"), passwd).unwrap();
        fs::rename(etc.join("new"), etc.join("passwd")).unwrap();
        fs::write(etc.join("new"), format!("root:x:0:\n{name}s:x:{USER}:\n")).unwrap();
        fs::rename(etc.join("new"), etc.join("group")).unwrap();
    }

    /// Changes the labels of the pod of a container.
    fn label_pod(&self, number: u32, app: &str) {
        let (name, uid) = (pod_name(number), uid(number));
        self.server.apply(pod(&name, &uid, &[("app", app)]));
    }
}

fn pod_name(number: u32) -> String {
    format!("storm-{}-{number}", std::process::id())
}

fn uid(number: u32) -> String {
    format!(
        "6a8d9959-b9bc-49a5-9b41-{:06}{number:06}",
        std::process::id() % 1_000_000
    )
}

/// Starts a storm in a cgroup.
fn storm(cgroup: &Cgroup, kind: &str, count: u32) -> Child {
    let mut storm = Command::new(programs::built("storm"));
    storm.args([kind, &WORKERS.to_string(), &count.to_string()]);
    if kind == "execs" {
        storm.arg("/bin/true");
    }
    storm.args(["--cgroup", &cgroup.procs()]);
    programs::spawn(storm.stdout(Stdio::null()))
}

/// Executes a program as the user whose name changes.
fn execute_as_user() {
    let mut program = Command::new("/bin/true");
    program.arg("as-user").uid(USER).gid(USER);
    assert!(programs::alone(|| program.status()).unwrap().success());
}

fn field<'l>(line: &'l Value, name: &str) -> &'l str {
    line["output_fields"][name].as_str().unwrap_or_default()
}

/// Makes the events of each container, and changes the world meanwhile. Returns the ids of the containers
/// with their numbers of events.
fn make_events(world: &World, live: &Recorder) -> Vec<(String, u32)> {
    // Nine of ten events are connects, in rounds of five for each worker.
    let in_one = events() / CONTAINERS;
    let execs = in_one / 10 / WORKERS * WORKERS;
    let connects = (in_one - execs) / (5 * WORKERS) * (5 * WORKERS);
    execute_as_user();
    let mut containers = Vec::new();
    for number in 0..CONTAINERS {
        let id = container::id();
        world.label_pod(number, "early");
        world
            .docker
            .add(&id, "main", &pod_name(number), &uid(number));
        let cgroup = Cgroup::new(&format!("kubepods/pod{}/docker-{id}.scope", uid(number)));
        let mut storms = [
            storm(&cgroup, "execs", execs),
            storm(&cgroup, "connects", connects),
        ];
        // The events of the container have left the hold, and more follow.
        let has_left = || live.has_line(&[&id[..12], "early"]);
        assert!(wait_for(has_left), "{}", live.log());
        world.label_pod(number, "late");
        if number == CONTAINERS / 2 {
            world.name_user("bob");
            live.reload(&rules("After"));
        }
        for storm in &mut storms {
            assert!(storm.wait().unwrap().success());
        }
        // Further events see the changed labels, soon.
        let mut further = 0;
        let has_changed = wait_for(|| {
            further += WORKERS;
            let storm = storm(&cgroup, "execs", WORKERS).wait();
            storm.unwrap().success() && live.has_line(&[&id[..12], "late"])
        });
        assert!(has_changed, "{}", live.log());
        containers.push((id, execs + connects + further));
    }
    // The sensor looks every few seconds whether the names of users have changed.
    let is_renamed = wait_for(|| {
        execute_as_user();
        thread::sleep(Duration::from_millis(50));
        live.has_line(&["as-user", "bob"])
    });
    assert!(is_renamed, "{}", live.log());
    containers
}

/// Checks that replays with the rules before and after the reload write the lines of the live run.
fn assert_replayed(recorded: &Recorded) {
    let live = &recorded.lines;

    let is_after = |line: &String| line.contains("\"rule\":\"After\"");
    let reload = live.iter().position(is_after).expect("the reload");
    let (before, after) = live.split_at(reload);
    assert!(
        after.iter().all(is_after),
        "one set of rules took over for good"
    );
    let of_before = recorded.replay(&rules("Before"));
    let of_after = recorded.replay(&rules("After"));
    assert_eq!([of_before.len(), of_after.len()], [live.len(); 2]);
    let differ = |ours: &[String], theirs: &[String]| {
        let mut pairs = ours.iter().zip(theirs);
        pairs
            .find(|(a, b)| a != b)
            .map(|(a, b)| format!("\n{a}\n{b}"))
    };
    assert_eq!(differ(before, &of_before[..reload]), None);
    assert_eq!(differ(after, &of_after[reload..]), None);
}

/// Checks that what the test made has happened.
fn assert_made(recorded: &Recorded, containers: &[(String, u32)]) {
    let lines = recorded
        .lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<_> = lines.collect();
    let mut in_all = 0;
    for (number, (id, expected)) in (0..).zip(containers) {
        let own = lines
            .iter()
            .filter(|line| field(line, "container.id") == &id[..12]);
        let own: Vec<_> = own.collect();
        // The storm itself is executed before it enters its cgroup.
        assert_eq!(
            own.len(),
            usize::try_from(*expected).unwrap(),
            "{}",
            recorded.log
        );
        in_all += expected;
        let labels = own.iter().map(|line| field(line, "k8s.pod.label[app]"));
        let labels: BTreeSet<_> = labels.collect();
        let both = labels.contains("early") && labels.contains("late");
        assert!(both, "container {number} has {labels:?}: {}", recorded.log);
        let name = pod_name(number);
        assert!(own.iter().all(|line| field(line, "k8s.pod.name") == name));
    }
    let users = |name: &str| lines.iter().any(|line| field(line, "user.name") == name);
    assert!(users("ann") && users("bob"));
    println!("{} lines, {in_all} of them of the storms", lines.len());
}

#[test]
fn lines_are_the_same_over_held_events_a_reload_and_changed_metadata() {
    let world = World::new();
    let options = world.options();
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let live = Recorder::start(&rules("Before"), &options);
    let containers = make_events(&world, &live);
    let recorded = live.stop();
    assert_replayed(&recorded);
    assert_made(&recorded, &containers);
}
