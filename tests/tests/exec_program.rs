//! The program of an exec: name, path, scripts, files without a name.

use std::{fs, os::unix::fs::MetadataExt as _, process::Command};

use serde_json::json;
use tests::{Act, Scene, elf, programs::alone};

#[test]
fn the_path_is_absolute_whatever_was_typed() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    scene.directory("dir");
    let act = Act::new()
        .then("chdir", [scene.path("dir")])
        .exec("./../dir/.././tool", ["t"]);
    scene
        .act(act)
        .exec("tool")
        .assert_fields(&json!({"proc.exepath": tool}));
}

#[test]
fn a_symlink_gives_its_name_and_the_path_of_the_file() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let link = scene.link("link", &tool);
    let seen = scene.act(Act::new().exec(&link, ["t"]));
    seen.exec("link")
        .assert_fields(&json!({"proc.exepath": tool, "proc.cmdline": "link"}));
}

#[test]
fn the_name_is_cut_to_fifteen_bytes() {
    let scene = Scene::new();
    let tool = scene.program("a_very_long_program_name");
    let seen = scene.act(Act::new().exec(&tool, ["t"]));
    seen.exec("a_very_long_pro")
        .assert_fields(&json!({"proc.exepath": tool}));
}

#[test]
fn a_script_is_run_by_its_interpreter() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let script = scene.executable("script", format!("#!{} -opt one\n", tool.display()));
    let seen = scene.act(Act::new().exec(&script, ["lost", "x", "y"]));
    let args = format!("-opt one {} x y", script.display());
    seen.exec("script").assert_fields(&json!({
        "proc.exe": tool,
        "proc.exepath": tool,
        "proc.args": args,
        "proc.cmdline": format!("script {args}"),
        "proc.cmdnargs": 4,
    }));
}

#[test]
fn nested_scripts_have_the_name_of_the_outermost_one() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let inner = scene.executable("inner", format!("#!{}\n", tool.display()));
    let outer = scene.executable("outer", format!("#!{} -o\n", inner.display()));
    let seen = scene.act(Act::new().exec(&outer, ["lost", "x"]));
    seen.exec("outer").assert_fields(&json!({
        "proc.exe": tool,
        "proc.exepath": tool,
        "proc.args": format!("{} -o {} x", inner.display(), outer.display()),
    }));
}

#[test]
fn execveat_with_a_directory_is_an_execve() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .then("exec-at", [scene.text("").as_str(), "tool"])
        .argv(["t", "a"]);
    scene.act(act).exec("tool").assert_fields(&json!({
        "evt.type": "execve",
        "proc.exepath": tool,
        "proc.args": "a",
    }));
}

#[test]
fn a_program_executed_by_its_descriptor_has_its_own_name() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let seen = scene.act(Act::new().then("exec-descriptor", [&tool]).argv(["t", "a"]));
    let event = seen.only("at all", |_| true);
    event.assert_fields(&json!({"evt.type": "execve", "proc.exepath": tool, "proc.args": "a"}));
    // Kernels before 6.14 set the name to the number of the descriptor.
    let name = event.text("proc.name");
    assert!(name == "tool" || name.parse::<u32>().is_ok(), "{name}");
}

#[test]
fn a_deleted_program_keeps_its_path_without_suffix() {
    let scene = Scene::new();
    let doomed = scene.actor("doomed");
    // The program deletes its own file and executes it again, which /proc makes possible.
    let steps = Act::new()
        .then("unlink", [&doomed])
        .exec("/proc/self/exe", ["d", "--now"]);
    let seen = scene.act(Act::new().exec_actor(&doomed, steps));
    seen.exec("exe").assert_fields(&json!({
        "proc.exe": "d",
        "proc.exepath": doomed,
        "proc.is_exe_from_memfd": false,
    }));
}

#[test]
fn a_memfd_shows_as_its_name() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .then("exec-memfd", ["evil".as_ref(), tool.as_os_str()])
        .argv(["t", "a"]);
    let seen = scene.act(act);
    seen.only("at all", |_| true).assert_fields(&json!({
        "proc.exepath": "memfd:evil",
        "proc.is_exe_from_memfd": true,
        "proc.is_exe_upper_layer": false,
        "proc.is_exe_lower_layer": false,
        "proc.args": "a",
    }));
}

#[test]
fn a_memfd_executed_through_proc_shows_as_its_name() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let operands = ["evil".as_ref(), tool.as_os_str()];
    let seen = scene.act(Act::new().then("exec-memfd-by-proc", operands).argv(["t"]));
    let event = seen.only("at all", |_| true);
    event.assert_fields(&json!({"proc.exepath": "memfd:evil", "proc.is_exe_from_memfd": true}));
    let name = event.text("proc.name");
    assert!(
        name.parse::<u32>().is_ok(),
        "the name is that of the link, not {name}"
    );
}

#[test]
fn a_file_outside_overlays_is_of_no_layer() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let inode = fs::metadata(&tool).unwrap().ino();
    scene
        .act(Act::new().exec(tool, ["t"]))
        .exec("tool")
        .assert_fields(&json!({
            "proc.is_exe_upper_layer": false,
            "proc.is_exe_lower_layer": false,
            "proc.is_exe_from_memfd": false,
            "proc.is_exe_writable": true,
            "proc.exe_ino": inode,
        }));
}

#[test]
fn times_of_the_file_are_those_that_stat_had_reported() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    // From Linux 6.13 on the kernel changes the ctime after a process has read the file's times.
    let status = fs::metadata(&tool).unwrap();
    let rules = "- rule: r\n  desc: d\n  priority: DEBUG\n  condition: evt.type = execve\n  output: '%proc.name %proc.exe_ino.ctime %proc.exe_ino.mtime'\n";
    let act = Act::new().exec(tool, ["t"]);
    let (seen, ..) = scene.act_under(act, |setup| setup.rules(rules));
    seen.exec("tool").assert_fields(&json!({
        "proc.exe_ino.ctime": status.ctime() * 1_000_000_000 + status.ctime_nsec(),
        "proc.exe_ino.mtime": status.mtime() * 1_000_000_000 + status.mtime_nsec(),
    }));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_32_bit_program_is_seen_like_any_other() {
    let scene = Scene::new();
    let tool = scene.executable("tool32", elf::i386());
    if alone(|| Command::new(&tool).status()).is_err() {
        eprintln!("this kernel runs no 32-bit programs: nothing to see");
        return;
    }
    scene
        .act(Act::new().exec(&tool, ["t", "a"]))
        .exec("tool32")
        .assert_fields(&json!({
            "evt.type": "execve",
            "proc.exepath": tool,
            "proc.exe": "t",
            "proc.args": "a",
        }));
}

#[test]
fn a_program_with_odd_bytes_in_its_path_is_sanitized() {
    let scene = Scene::new();
    let tool = scene.program("to\nol");
    let seen = scene.act(Act::new().exec(tool, ["t"]));
    let event = seen.exec("to\u{fffd}ol");
    assert_eq!(event.text("proc.exepath"), scene.text("to\u{fffd}ol"));
}
