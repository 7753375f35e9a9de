//! Lineage: the program of a process is known although no rule wants its exec.

use libc::AF_INET;
use serde_json::json;
use tests::{Act, Cgroup, Scene, connects::tcp, container};

fn rule(condition: &str, output: &str) -> String {
    format!(
        "- rule: r\n  desc: d\n  priority: DEBUG\n  condition: {condition}\n  output: '{output}'\n"
    )
}

const OF_ITSELF: &str = "%proc.name %proc.cmdline %proc.exe %proc.exepath %proc.args[0] %proc.cwd";

/// A program that the actor executes after the sensor's start; it takes these steps and ends.
fn short_lived(scene: &Scene, steps: Act) -> Act {
    Act::new()
        .just("net-namespace")
        .then("chdir", [scene.directory("here")])
        .just("fork")
        .exec_actor(scene.actor("tool"), steps)
}

#[test]
fn a_connect_has_its_program_although_rules_want_connects_only() {
    let scene = Scene::new();
    let steps = tcp(AF_INET).connect("127.0.0.1:81", libc::ECONNREFUSED);
    let act = short_lived(&scene, steps);
    let path = scene.text("tool");
    let condition = format!("evt.type = connect and proc.exepath = {path}");
    let (seen, ..) = scene.act_under(act, |setup| setup.rules(&rule(&condition, OF_ITSELF)));
    let event = seen.only("at all", |_| true);
    event.assert_fields(&json!({
        "proc.name": "tool",
        "proc.cmdline": "tool --now socket 100 2 1 0 connect 100 127.0.0.1:81 111",
        "proc.exe": path,
        "proc.exepath": path,
        "proc.args[0]": "--now",
        "proc.cwd": scene.text("here/"),
    }));
    assert_eq!(seen.counters().user("unmatched"), 0, "{}", seen.stderr);
    assert_eq!(seen.counters().user("filtered"), 1, "{}", seen.stderr);
}

#[test]
fn a_failed_exec_has_its_program_although_rules_want_failed_execs_only() {
    let scene = Scene::new();
    let steps = Act::new().fail(scene.path("missing"), libc::ENOENT, ["x"]);
    let act = short_lived(&scene, steps);
    let condition = "evt.type = execve and evt.failed = true and proc.exe endswith /tool";
    let (seen, ..) = scene.act_under(act, |setup| {
        setup
            .rules(&rule(condition, OF_ITSELF))
            .option("engine.modern_ebpf.drop_failed_exit", false)
    });
    seen.only("at all", |_| true).assert_fields(&json!({
        "proc.exe": scene.text("tool"),
        "proc.exepath": scene.text("tool"),
        "proc.args[0]": "--now",
        "proc.cwd": scene.text("here/"),
    }));
}

#[test]
fn an_exec_in_a_container_has_its_parent_on_the_host_although_rules_want_containers_only() {
    let scene = Scene::new();
    let unique = container::id();
    let cgroup = Cgroup::new(&format!("docker-{unique}.scope"));
    let inside = Act::new().then("pause", ["1000"]);
    let shim = Act::new()
        .then("chdir", [scene.directory("here")])
        .just("fork")
        .then("enter-cgroup", [cgroup.procs()])
        .exec_actor(scene.actor("inside"), inside);
    // The first exec of the cgroup shows that it belongs to the host; later ones stay in the
    // kernel.
    let act = Act::new()
        .then("spawn", [scene.program("first")])
        .argv(["first"])
        .then("pause", ["1000"])
        .just("fork")
        .exec_actor(scene.actor("shim"), shim);
    let rules = rule(
        "evt.type = execve and container.id != host",
        "%proc.name %proc.pname %proc.pexe %proc.pexepath %proc.pcmdline %container.id",
    );
    let (seen, ..) = scene.act_under(act, |setup| setup.rules(&rules));
    let counters = seen.counters();
    assert_eq!(counters.kernel("filtered_host"), 1, "{}", seen.stderr);
    let event = seen.only("at all", |_| true);
    event.assert_fields(&json!({
        "proc.name": "inside",
        "proc.pname": "shim",
        "proc.pexe": scene.text("shim"),
        "proc.pexepath": scene.text("shim"),
        "container.id": unique[..12],
    }));
    let start = format!("shim --now chdir {} fork", scene.text("here"));
    let line = event.text("proc.pcmdline");
    assert!(line.starts_with(&start), "{line}");
}
