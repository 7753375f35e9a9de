//! Where an exec happens: working directories, roots, mounts, overlays.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use serde_json::{Value, json};
use tests::{Act, Event, Scene};

/// `count` nested directories with names of twenty bytes.
fn deep(count: usize, letter: char) -> PathBuf {
    (0..count)
        .map(|level| format!("{level:02}{}", letter.to_string().repeat(18)))
        .collect()
}

fn assert_cwd(event: &Event, path: &Path) {
    assert_eq!(event.text("proc.cwd"), format!("{}/", path.display()));
}

#[test]
fn the_working_directory_ends_with_a_slash() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let dir = scene.directory("dir");
    let seen = scene.act(Act::new().then("chdir", [&dir]).exec(tool, ["t"]));
    assert_cwd(seen.exec("tool"), &dir);
}

#[test]
fn the_root_is_one_slash() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let seen = scene.act(Act::new().then("chdir", ["/"]).exec(tool, ["t"]));
    seen.exec("tool").assert_fields(&json!({"proc.cwd": "/"}));
}

#[test]
fn a_working_directory_60_deep_across_a_bind_mount_is_whole() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    scene.directory(deep(30, 'b').to_str().unwrap());
    let mount = scene.directory(&format!("m/{}", deep(30, 'a').display()));
    let cwd = mount.join(deep(30, 'b'));
    let act = Act::new()
        .just("mount-namespace")
        .then("bind", [scene.path("").as_path(), &mount])
        .then("chdir", [&cwd])
        .exec(tool, ["t"]);
    assert_cwd(scene.act(act).exec("tool"), &cwd);
}

#[test]
fn a_working_directory_longer_than_a_page_is_whole() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let name = "x".repeat(200);
    let steps = 30;
    make_deep(&scene.path(""), &name, steps).unwrap();
    let mut act = Act::new().then("chdir", [scene.path("")]);
    for _ in 0..steps {
        act = act.then("chdir", [&name]);
    }
    let seen = scene.act(act.exec(tool, ["t"]));
    let expected = format!("{}{}", scene.text(""), format!("{name}/").repeat(steps));
    assert_eq!(seen.exec("tool").text("proc.cwd"), expected);
}

/// Nested directories whose path is longer than `PATH_MAX`.
fn make_deep(base: &Path, name: &str, steps: usize) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut dir = open(base, flags, Mode::empty())?;
    for _ in 0..steps {
        mkdirat(&dir, name, Mode::RWXU)?;
        dir = openat(&dir, name, flags, Mode::empty())?;
    }
    Ok(())
}

#[test]
fn a_deleted_working_directory_keeps_its_path_without_suffix() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let dir = scene.directory("gone");
    let act = Act::new()
        .then("chdir", [&dir])
        .then("rmdir", [&dir])
        .exec(tool, ["t"]);
    assert_cwd(scene.act(act).exec("tool"), &dir);
}

#[test]
fn odd_bytes_in_the_working_directory_are_sanitized() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let dir = scene.path("").join(OsStr::from_bytes(b"a\nb\xff"));
    std::fs::create_dir(&dir).unwrap();
    let seen = scene.act(Act::new().then("chdir", [&dir]).exec(tool, ["t"]));
    let expected = format!("{}a\u{fffd}b\u{fffd}/", scene.text(""));
    assert_eq!(seen.exec("tool").text("proc.cwd"), expected);
}

#[test]
fn after_a_chroot_the_working_directory_is_of_the_new_root_and_the_program_of_the_old() {
    let scene = Scene::new();
    let root = scene.directory("root");
    let tool = scene.program("root/tool");
    let act = Act::new()
        .then("chroot", [&root])
        .then("chdir", ["/"])
        .exec("/tool", ["t"]);
    scene
        .act(act)
        .exec("tool")
        .assert_fields(&json!({"proc.cwd": "/", "proc.exepath": tool}));
}

#[test]
fn a_program_on_a_bind_mount_has_the_path_of_the_mount() {
    let scene = Scene::new();
    scene.directory("source");
    scene.program("source/tool");
    let mount = scene.directory("mount");
    let tool = mount.join("tool");
    let act = Act::new()
        .just("mount-namespace")
        .then("bind", [scene.path("source").as_path(), &mount])
        .exec(&tool, ["t"]);
    scene
        .act(act)
        .exec("tool")
        .assert_fields(&json!({"proc.exepath": tool}));
}

/// Steps that mount an overlay of `lower` and `upper` at `mount`.
fn overlay(scene: &Scene) -> Act {
    let [lower, upper, work, mount] =
        ["lower", "upper", "work", "mount"].map(|name| scene.directory(name));
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    Act::new()
        .just("mount-namespace")
        .then("overlay", [options.as_ref(), mount.as_os_str()])
}

/// What the sensor must report of an overlay's layer: null where overlayfs is a module whose
/// types the kernel does not publish (before 5.11).
fn flag(value: bool) -> Value {
    let module = Path::new("/sys/module/overlay/initstate").exists();
    if module && !Path::new("/sys/kernel/btf/overlay").exists() {
        return Value::Null;
    }
    value.into()
}

#[test]
fn a_program_in_the_lower_layer_is_reported_so() {
    let scene = Scene::new();
    let act = overlay(&scene);
    scene.program("lower/tool");
    let tool = scene.path("mount/tool");
    scene
        .act(act.exec(&tool, ["t"]))
        .exec("tool")
        .assert_fields(&json!({
            "proc.exepath": tool,
            "proc.is_exe_upper_layer": flag(false),
            "proc.is_exe_lower_layer": flag(true),
        }));
}

#[test]
fn a_program_in_the_upper_layer_is_reported_so() {
    let scene = Scene::new();
    let act = overlay(&scene);
    scene.program("upper/tool");
    let tool = scene.path("mount/tool");
    scene
        .act(act.exec(&tool, ["t"]))
        .exec("tool")
        .assert_fields(&json!({
            "proc.exepath": tool,
            "proc.is_exe_upper_layer": flag(true),
            "proc.is_exe_lower_layer": flag(false),
        }));
}

#[test]
fn a_working_directory_on_an_overlay_is_whole() {
    let scene = Scene::new();
    let act = overlay(&scene);
    let tool = scene.program("tool");
    scene.directory("lower/a/b");
    let cwd = scene.path("mount/a/b");
    let seen = scene.act(act.then("chdir", [&cwd]).exec(tool, ["t"]));
    assert_cwd(seen.exec("tool"), &cwd);
}
