//! Processes that disguise themselves as others.

use std::fs;

use serde_json::json;
use tests::{Act, Cgroup, Container, Scene, container, elf};

#[test]
fn a_process_that_renames_itself_keeps_its_name_and_executable() {
    let scene = Scene::new();
    let (liar, tool) = (scene.actor("liar"), scene.program("tool"));
    let seen = scene.act(
        Act::new().exec_actor(
            &liar,
            Act::new()
                .then("rename", ["kworker/0:1"])
                .just("fork")
                .exec(&tool, ["tool"]),
        ),
    );
    seen.exec("tool").assert_fields(&json!({
        "proc.pname": "liar",
        "proc.pexepath": scene.text("liar"),
        "proc.aexepath[1]": scene.text("liar"),
    }));
}

#[test]
fn argv_that_a_process_rewrites_after_the_exec_is_reported_as_it_was() {
    let scene = Scene::new();
    let (liar, tool) = (scene.actor("liar"), scene.program("tool"));
    let steps = Act::new()
        .just("rewrite-argv")
        .just("fork")
        .exec(&tool, ["tool"]);
    let seen = scene.act(Act::new().exec_actor(&liar, steps));
    let reported = seen.exec("liar").text("proc.cmdline").to_owned();
    assert!(
        reported.contains("--now rewrite-argv fork exec"),
        "{reported}"
    );
    // The child sees the same command line of its parent.
    assert_eq!(seen.exec("tool").text("proc.pcmdline"), reported);
}

#[test]
fn a_flood_of_forks_hides_no_exec_and_no_parent() {
    const FORKS: &str = "20000";
    let scene = Scene::new();
    let (forker, tool) = (scene.actor("forker"), scene.program("tool"));
    let seen = scene.act(
        Act::new().exec_actor(
            &forker,
            Act::new()
                .then("forks", [FORKS])
                .just("fork")
                .exec(&tool, ["tool", "after"]),
        ),
    );
    seen.exec("tool").assert_fields(&json!({
        "proc.args": "after",
        "proc.pname": "forker",
        "proc.pexepath": scene.text("forker"),
    }));
    assert_eq!(seen.counters().lost(), 0, "{}", seen.stderr);
}

#[test]
fn a_cgroup_named_like_another_container_inside_ones_own_changes_nothing() {
    let [own, other] = [(); 2].map(|()| container::id());
    let names = format!("docker-{own}.scope/cri-containerd-{other}.scope/{other}");
    let cgroup = Cgroup::new(&names);
    let scene = Scene::new();
    let tool = scene.program("tool");
    let seen = scene.act(
        Act::new()
            .just("fork")
            .then("enter-cgroup", [cgroup.procs()])
            .exec(&tool, ["tool"]),
    );
    assert_eq!(seen.exec("tool").text("container.id"), &own[..12]);
}

#[test]
fn a_container_that_nests_cgroups_too_deep_to_read_does_not_become_the_host() {
    let own = container::id();
    let cgroup = Cgroup::new(&format!("docker-{own}.scope{}", "/d".repeat(260)));
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .just("fork")
        .then("enter-cgroup", [cgroup.procs()])
        .exec(&tool, ["tool"]);
    // With a rule for containers alone, so that the filter in the kernel takes part.
    let rules = include_str!("../harness/src/default.yaml");
    let (seen, ..) = scene.act_under(act, |setup| setup.rules(rules));
    assert_eq!(seen.exec("tool").text("container.id"), "unknown");
}

#[test]
fn a_cgroup_that_is_named_nearly_like_a_container_is_of_the_host() {
    let almost = &container::id()[..63];
    let cgroup = Cgroup::new(&format!("sabotage-{almost}.scope/docker-{almost}G.scope"));
    let scene = Scene::new();
    let tool = scene.program("tool");
    let seen = scene.act(
        Act::new()
            .just("fork")
            .then("enter-cgroup", [cgroup.procs()])
            .exec(&tool, ["tool"]),
    );
    assert_eq!(seen.exec("tool").text("container.id"), "host");
}

#[test]
fn links_of_a_container_into_proc_lead_to_nobody_elses_users() {
    let scene = Scene::new();
    // User names that only the host has.
    let victim = scene.path("victim");
    fs::write(&victim, "stolen:x:0:0::/:/bin/sh\n").expect("a file can be written");
    for to in ["/proc/1/root/etc/passwd", victim.to_str().expect("UTF-8")] {
        let container = Container::new(&scene, &["tool"]);
        container.write("bin/tool", &elf::native());
        std::os::unix::fs::symlink(to, container.path("etc/passwd")).expect("a link can be made");
        let seen = scene.act(container.run(Act::new()));
        let event = seen.exec("tool");
        assert_eq!(event.text("container.id"), container.short_id());
        assert_ne!(event.field("user.name"), "stolen", "{to}");
        assert_eq!(event.number("user.uid"), 0);
    }
}
