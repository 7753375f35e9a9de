//! Writes and starts programs.
//!
//! A file that is open for writing cannot be executed (`ETXTBSY`), and a child that another thread
//! has just forked has the descriptor until its own exec. So this module writes programs and starts
//! children one after the other.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Mutex, PoisonError},
};

use crate::elf;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Calls a function while no program is written and no child is started.
pub fn alone<T>(run: impl FnOnce() -> T) -> T {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    run()
}

/// Starts a child.
///
/// # Panics
/// If the child cannot be started.
pub fn spawn(command: &mut Command) -> Child {
    alone(|| command.spawn()).unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

/// Writes an executable file.
///
/// # Panics
/// If it cannot be written.
pub fn write(path: &Path, content: &[u8]) {
    alone(|| elf::write(path, content))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// Copies an executable file.
///
/// # Panics
/// If it cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    alone(|| std::fs::copy(from, to)).unwrap_or_else(|error| {
        panic!(
            "cannot copy {} to {}: {error}",
            from.display(),
            to.display()
        )
    });
}

/// The path of a program of the tests, in the directory of the running test.
///
/// # Panics
/// If the path of the running test is unknown.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = env::current_exe().expect("a process knows its executable");
    let deps = own.parent().expect("a file is in a directory");
    let directory = match deps.file_name() {
        Some(last) if last == "deps" => deps.parent().unwrap_or(deps),
        _ => deps,
    };
    directory.join(name)
}

/// The path of the sensor: `SENSOR_BIN`, or the build of `cargo xtask build`.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn sensor() -> PathBuf {
    let target = || match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    };
    let path = match env::var_os("SENSOR_BIN") {
        Some(path) => PathBuf::from(path),
        None => target().join(format!(
            "{}-unknown-linux-gnu/dist/sensor",
            env::consts::ARCH
        )),
    };
    assert!(
        path.is_file(),
        "no sensor at {}: run `cargo xtask build`, or set SENSOR_BIN",
        path.display()
    );
    path
}

/// The eBPF objects of each compiler, with the name of the compiler: `cargo xtask` has compiled
/// them into the directory that `SENSOR_BPF_OBJECTS` names.
///
/// # Panics
/// If the directory has no object.
#[must_use]
pub fn objects() -> Vec<(String, PathBuf)> {
    let Some(directory) = env::var_os("SENSOR_BPF_OBJECTS") else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("SENSOR_BPF_OBJECTS={}: {error}", directory.display()));
    let mut objects: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let compiler = name.strip_prefix("bpf-")?.strip_suffix(".o")?;
            Some((compiler.to_owned(), entry.path()))
        })
        .collect();
    objects.sort();
    assert!(
        !objects.is_empty(),
        "no object in SENSOR_BPF_OBJECTS={}",
        directory.display()
    );
    objects
}
