//! Which program a process runs is known although no rule wants its exec.

use serde_json::json;
use tests::{Act, Cgroup, Scene};

fn rule(condition: &str, output: &str) -> String {
    format!(
        "- rule: r\n  desc: d\n  priority: DEBUG\n  condition: {condition}\n  output: '{output}'\n"
    )
}

#[test]
fn a_container_tells_its_parent_of_the_host_although_only_containers_are_wanted() {
    let scene = Scene::new();
    let unique = format!("{:08x}", std::process::id()).repeat(8);
    let cgroup = Cgroup::new(&format!("docker-{unique}.scope"));
    let inside = Act::new().then("pause", ["1000"]);
    let shim = Act::new()
        .then("chdir", [scene.directory("here")])
        .just("fork")
        .then("enter-cgroup", [cgroup.procs()])
        .exec_actor(scene.actor("inside"), inside);
    // The cgroup's first exec shows that it is the host's; those after it stay in the kernel.
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
