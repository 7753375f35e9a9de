//! Failed execs: the caller in `proc.*`, the arguments of the call in `evt.arg.*`.

use std::{fs::OpenOptions, os::unix::fs::PermissionsExt as _};

use serde_json::json;
use tests::{Act, Scene, act::actor_program};

/// A failing `execve` of `path` in the scene, and the fields that the event must have.
fn check(scene: &Scene, path: &str, errno: i32, name: &str) {
    let tried = if path.is_empty() {
        String::new()
    } else {
        scene.text(path)
    };
    let (seen, _, actor) = scene.act_under(
        Act::new().fail(&tried, errno, ["tried", "a", "b"]),
        |setup| setup.option("engine.modern_ebpf.drop_failed_exit", false),
    );
    assert_eq!(seen.events.len(), 1, "{seen:#?}");
    seen.failure().assert_fields(&json!({
        "evt.type": "execve",
        "evt.rawres": -errno,
        "evt.res": name,
        "evt.failed": true,
        "evt.arg.filename": tried,
        "evt.arg.exe": "tried",
        "evt.arg.args": "a b",
        "proc.pid": actor,
        "proc.name": "actor",
        "proc.exepath": actor_program(),
    }));
}

#[test]
fn a_missing_file_is_enoent() {
    check(&Scene::new(), "missing", libc::ENOENT, "ENOENT");
}

#[test]
fn an_empty_path_is_enoent() {
    check(&Scene::new(), "", libc::ENOENT, "ENOENT");
}

#[test]
fn a_file_that_may_not_be_executed_is_eacces() {
    let scene = Scene::new();
    let plain = scene.program("plain");
    std::fs::set_permissions(plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    check(&scene, "plain", libc::EACCES, "EACCES");
}

#[test]
fn a_directory_is_eacces() {
    let scene = Scene::new();
    scene.directory("dir");
    check(&scene, "dir", libc::EACCES, "EACCES");
}

#[test]
fn a_file_that_is_no_program_is_enoexec() {
    let scene = Scene::new();
    let _ = scene.executable("data", [0_u8; 64]);
    check(&scene, "data", libc::ENOEXEC, "ENOEXEC");
}

#[test]
fn a_missing_interpreter_is_enoent() {
    let scene = Scene::new();
    let _ = scene.executable("script", "#!/there/is/none\n");
    check(&scene, "script", libc::ENOENT, "ENOENT");
}

#[test]
fn a_path_through_a_file_is_enotdir() {
    let scene = Scene::new();
    let _ = scene.program("file");
    check(&scene, "file/below", libc::ENOTDIR, "ENOTDIR");
}

#[test]
fn a_circle_of_links_is_eloop() {
    let scene = Scene::new();
    let _ = scene.link("circle", &scene.path("circle"));
    check(&scene, "circle", libc::ELOOP, "ELOOP");
}

#[test]
fn a_name_that_is_too_long_is_enametoolong() {
    let scene = Scene::new();
    check(&scene, &"n".repeat(256), libc::ENAMETOOLONG, "ENAMETOOLONG");
}

#[test]
fn a_program_that_is_being_written_is_etxtbsy() {
    let scene = Scene::new();
    let path = scene.program("busy");
    let _writer = OpenOptions::new().append(true).open(path).unwrap();
    check(&scene, "busy", libc::ETXTBSY, "ETXTBSY");
}

#[test]
fn an_argument_that_is_too_long_is_e2big() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let many = vec!["x".repeat(100_000); 15];
    let act = Act::new()
        .then("stack-limit", ["1000000"])
        .fail(&tool, libc::E2BIG, &many);
    let seen = scene.act_and_fail(act);
    let event = seen.failure();
    event.assert_fields(
        &json!({"evt.rawres": -libc::E2BIG, "evt.res": "E2BIG", "evt.arg.filename": tool}),
    );
    assert!(event.text("evt.arg.exe").starts_with("xxx"));
}

#[test]
fn a_bad_pointer_is_efault() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let errno = libc::EFAULT.to_string();
    let seen =
        scene.act_and_fail(Act::new().then("exec-bad-argv", [tool.as_os_str(), errno.as_ref()]));
    seen.failure().assert_fields(&json!({
        "evt.rawres": -libc::EFAULT,
        "evt.res": "EFAULT",
        "evt.arg.filename": tool,
    }));
}

#[test]
fn a_failed_exec_whose_argv_cannot_be_read_has_no_argv() {
    let scene = Scene::new();
    let errno = libc::ENOENT.to_string();
    let missing = scene.path("missing");
    let seen = scene
        .act_and_fail(Act::new().then("fail-null-argv", [missing.as_os_str(), errno.as_ref()]));
    seen.failure().assert_fields(&json!({
        "evt.res": "ENOENT",
        "evt.arg.filename": scene.text("missing"),
        "evt.arg.exe": "",
        "evt.arg.args": "",
    }));
    for counter in ["truncated", "unreadable"] {
        assert_eq!(seen.counters().kernel(counter), 0, "{counter}");
    }
}

#[test]
fn a_failed_execveat_has_a_type_of_its_own() {
    let scene = Scene::new();
    let errno = libc::ENOENT.to_string();
    let act = Act::new()
        .then("fail-at", ["missing", &errno])
        .argv(["tried", "a"]);
    scene.act_and_fail(act).failure().assert_fields(&json!({
        "evt.type": "execveat",
        "evt.rawres": -libc::ENOENT,
        "evt.res": "ENOENT",
        "evt.arg.exe": "tried",
        "evt.arg.args": "a",
    }));
}

#[test]
fn a_failure_and_then_a_success_are_two_events() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .fail(scene.path("missing"), libc::ENOENT, ["x"])
        .exec(tool, ["t"]);
    let seen = scene.act_and_fail(act);
    let results: Vec<_> = seen
        .events
        .iter()
        .map(|event| event.text("evt.res"))
        .collect();
    assert_eq!(results, ["ENOENT", "SUCCESS"]);
}

#[test]
fn a_failure_is_not_seen_with_the_default_settings() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .fail(scene.path("missing"), libc::ENOENT, ["x"])
        .exec(tool, ["t"]);
    let seen = scene.act(act);
    assert_eq!(seen.events.len(), 1, "{seen:#?}");
    assert_eq!(seen.exec("tool").text("evt.res"), "SUCCESS");
}
