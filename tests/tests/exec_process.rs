//! The process of an exec: parent, ancestors, users, session, terminal.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;
use tests::{Act, Scene};

const NOBODY: u32 = 65_534;

#[test]
fn the_parent_is_the_process_that_forked() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let (seen, _, actor) = scene.act_under(Act::new().just("fork").exec(tool, ["t"]), |s| s);
    let event = seen.exec("tool");
    event.assert_fields(
        &json!({"proc.ppid": actor, "proc.pname": "actor", "proc.aname[1]": "actor"}),
    );
    assert_eq!(event.field("proc.pid"), event.field("thread.tid"));
}

#[test]
fn an_exec_without_fork_keeps_the_pid() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let (seen, _, actor) = scene.act_under(Act::new().exec(tool, ["t"]), |s| s);
    seen.exec("tool")
        .assert_fields(&json!({"proc.pid": actor, "proc.ppid": std::process::id()}));
}

#[test]
fn an_exec_from_another_thread_has_the_pid_of_the_process() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let (seen, _, actor) = scene.act_under(Act::new().just("thread").exec(tool, ["t"]), |s| s);
    seen.exec("tool")
        .assert_fields(&json!({"proc.pid": actor, "thread.tid": actor}));
}

#[test]
fn posix_spawn_is_seen_like_any_other() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let (seen, _, actor) =
        scene.act_under(Act::new().then("spawn", [tool]).argv(["t", "a"]), |s| s);
    seen.exec("tool")
        .assert_fields(&json!({"proc.ppid": actor, "proc.args": "a"}));
}

#[test]
fn posix_spawn_from_another_thread_has_the_process_as_parent() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new().just("thread").then("spawn", [tool]).argv(["t"]);
    let (seen, _, actor) = scene.act_under(act, |s| s);
    seen.exec("tool")
        .assert_fields(&json!({"proc.ppid": actor}));
}

#[test]
fn a_setuid_program_runs_as_the_files_owner() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    std::os::unix::fs::chown(&tool, Some(NOBODY), None).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o4755)).unwrap();
    scene
        .act(Act::new().exec(tool, ["t"]))
        .exec("tool")
        .assert_fields(&json!({
            "user.uid": NOBODY,
            "user.name": "nobody",
            "group.gid": 0,
        }));
}

#[test]
fn user_and_group_are_the_effective_ones() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let act = Act::new()
        .then("group", ["12345"])
        .then("user", ["54321"])
        .exec(tool, ["t"]);
    scene.act(act).exec("tool").assert_fields(&json!({
        "user.uid": 54_321,
        "user.name": "<NA>",
        "group.gid": 12_345,
        "group.name": "<NA>",
        "proc.is_exe_writable": false,
    }));
}

#[test]
fn the_login_user_is_that_of_the_audit_system() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let text = fs::read_to_string("/proc/self/loginuid").unwrap_or_else(|_| u32::MAX.to_string());
    let expected = text.trim().parse::<u32>().unwrap().cast_signed();
    let seen = scene.act(Act::new().exec(tool, ["t"]));
    seen.exec("tool")
        .assert_fields(&json!({"user.loginuid": expected}));
}

#[test]
fn the_terminal_is_its_device_number() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new().just("fork").just("terminal").exec(tool, ["t"]);
    let (seen, printed, _) = scene.act_under(act, |s| s);
    let device: u64 = printed.trim().parse().unwrap();
    seen.exec("tool")
        .assert_fields(&json!({"proc.tty": device}));
}

#[test]
fn a_session_without_terminal_has_number_zero() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new().just("fork").just("session").exec(tool, ["t"]);
    let seen = scene.act(act);
    let event = seen.exec("tool");
    event.assert_fields(&json!({
        "proc.tty": 0,
        "proc.is_sid_leader": true,
        "proc.sid": event.number("proc.pid"),
        "proc.pgid": event.number("proc.pid"),
        "proc.sname": "tool",
    }));
}

#[test]
fn a_process_group_of_its_own_is_seen() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .just("fork")
        .just("process-group")
        .exec(tool, ["t"]);
    let seen = scene.act(act);
    let event = seen.exec("tool");
    let pid = event.number("proc.pid");
    event.assert_fields(&json!({"proc.pgid": pid, "proc.vpgid": pid, "proc.is_sid_leader": false}));
    assert_ne!(event.number("proc.sid"), pid);
}

#[test]
fn the_first_process_of_a_pid_namespace_has_vpid_one() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .just("pid-namespace")
        .just("fork")
        .exec(tool, ["t"]);
    let (seen, _, actor) = scene.act_under(act, |s| s);
    let event = seen.exec("tool");
    event.assert_fields(&json!({"proc.vpid": 1, "proc.ppid": actor}));
    assert_ne!(event.number("proc.pid"), 1);
}

#[test]
fn ten_ancestors_are_named_nearest_first() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let names: Vec<_> = (1..=10)
        .map(|number| format!("ancestor-{number}"))
        .collect();
    let mut act = Act::new().just("fork").exec(tool, ["t"]);
    for name in &names {
        act = Act::new().just("fork").exec_actor(scene.actor(name), act);
    }
    let seen = scene.act(act);
    let event = seen.exec("tool");
    let expected = json!({"proc.aname[0]": "tool"});
    event.assert_fields(&expected);
    for (index, name) in names.iter().enumerate() {
        assert_eq!(event.text(&format!("proc.aname[{}]", index + 1)), name);
    }
    let nearest = seen.exec("ancestor-1");
    event.assert_fields(&json!({
        "proc.apid[1]": nearest.field("proc.pid"),
        "proc.apid[10]": seen.exec("ancestor-10").field("proc.pid"),
        "proc.pname": "ancestor-1",
        "proc.pexepath": scene.path("ancestor-1"),
        "proc.aexepath[1]": scene.path("ancestor-1"),
        "proc.aexepath[2]": scene.path("ancestor-2"),
        "proc.pcmdline": nearest.field("proc.cmdline"),
        "proc.acmdline[1]": nearest.field("proc.cmdline"),
    }));
}

#[test]
fn a_parent_that_renamed_itself_keeps_the_command_line_it_was_started_with() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let disguised = scene.actor("honest");
    let act = Act::new().exec_actor(
        &disguised,
        Act::new()
            .then("rename", ["kworker/0:1"])
            .just("fork")
            .exec(tool, ["t"]),
    );
    let seen = scene.act(act);
    let parent = seen.exec("honest").field("proc.cmdline").clone();
    seen.exec("tool").assert_fields(&json!({
        "proc.pcmdline": parent,
        "proc.pexepath": disguised,
    }));
}

#[test]
fn an_orphan_shows_its_new_parent() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new().just("orphan").exec(tool, ["t"]);
    let (seen, _, actor) = scene.act_under(act, |s| s);
    let event = seen.exec("tool");
    assert_ne!(event.field("proc.ppid"), &json!(actor));
}

#[test]
fn each_exec_of_a_chain_is_an_event() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let one = scene.actor("one");
    let two = scene.actor("two");
    let act = Act::new().exec_actor(
        &one,
        Act::new().exec_actor(&two, Act::new().exec(tool, ["t"])),
    );
    let (seen, _, actor) = scene.act_under(act, |s| s);
    let names: Vec<_> = seen
        .events
        .iter()
        .map(|event| event.text("proc.name"))
        .collect();
    assert_eq!(names, ["one", "two", "tool"]);
    assert!(
        seen.events
            .iter()
            .all(|event| event.field("proc.pid") == &json!(actor))
    );
}

#[test]
fn the_time_is_that_of_the_exec() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
    };
    let before = now().as_nanos();
    let seen = scene.act(Act::new().exec(tool, ["t"]));
    let time = u128::try_from(seen.exec("tool").number("evt.time")).unwrap();
    assert!(
        (before..now().as_nanos()).contains(&time),
        "{before} {time}"
    );
}
