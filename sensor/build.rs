//! Builds the eBPF programs (`../sensor-ebpf`) and leaves the object in
//! `OUT_DIR/sensor-ebpf`, from where the sensor embeds it.
//!
//! The compiler is
//!
//! 1. none, if `SENSOR_BPF_OBJECT` names an object that is ready
//! 2. the one that `SENSOR_BPF_RUSTC` names
//! 3. rustup's stable, with the component `rust-src`, wherever rustup is
//! 4. otherwise Debian's `/usr/bin/rustc`, with `core` for BPF from a package
//!
//! The linker is `SENSOR_BPF_LINKER`, or `bpf-linker` in `PATH` or in cargo's `bin`.
//! The feature `bpf-log` compiles the programs' log lines in. `cargo xtask setup` installs
//! what is missing.
//!
//! It runs again when the eBPF crate or the tools change, and not otherwise.

#[path = "build/object.rs"]
mod object;
#[path = "build/tools.rs"]
mod tools;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use object::{Build, CRATE, run};
use tools::{Compiler, find_linker, path_directories, stdout};

type Result<T> = std::result::Result<T, String>;

fn var(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("{name}: {error}; cargo sets it, so run me by cargo"))
}

/// An objcopy that knows BPF: LLVM's from the system, or the one that rustc brings.
fn find_objcopy() -> Option<PathBuf> {
    let directories = path_directories();
    let system = directories
        .iter()
        .map(|directory| directory.join("llvm-objcopy"));
    let sysroot = stdout(Command::new(env::var_os("RUSTC")?).args(["--print", "sysroot"]))?;
    let host = env::var("HOST").ok()?;
    let own = Path::new(&sysroot)
        .join("lib/rustlib")
        .join(host)
        .join("bin/rust-objcopy");
    [own].into_iter().chain(system).find(|path| path.is_file())
}

/// Compiles the eBPF crate; returns the object's path.
fn compile(compiler: &Compiler, linker: &Path, target: &str, log: bool) -> Result<PathBuf> {
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR")?).join("..");
    let root = root
        .canonicalize()
        .map_err(|error| format!("{}: {error}", root.display()))?;
    let out = PathBuf::from(var("OUT_DIR")?);
    // OUT_DIR is TARGET_DIR[/TARGET]/PROFILE/build/PACKAGE/out: all profiles share the object.
    let mut target_dir = out.ancestors().nth(4).unwrap_or(&out);
    if target_dir.file_name() == env::var_os("TARGET").as_deref() {
        target_dir = target_dir.parent().unwrap_or(target_dir);
    }
    let build = Build {
        root: &root,
        target_dir,
        target,
        arch: &var("CARGO_CFG_TARGET_ARCH")?,
        log,
    };
    build.object(compiler, linker)
}

fn build() -> Result<()> {
    for name in ["SENSOR_BPF_OBJECT", "SENSOR_BPF_RUSTC", "SENSOR_BPF_LINKER"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let object = PathBuf::from(var("OUT_DIR")?).join(CRATE);
    let copy = |from: &Path| {
        fs::copy(from, &object).map(drop).map_err(|error| {
            format!(
                "cannot copy {} to {}: {error}",
                from.display(),
                object.display()
            )
        })
    };
    if let Some(ready) = env::var_os("SENSOR_BPF_OBJECT").map(PathBuf::from) {
        println!("cargo::rerun-if-changed={}", ready.display());
        return copy(&ready);
    }
    for path in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed=../{CRATE}/{path}");
    }
    let log = env::var_os("CARGO_FEATURE_BPF_LOG").is_some();
    let target = match var("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    let compiler = Compiler::find(target)?;
    let linker = find_linker()?;
    for tool in [&compiler.rustc, &linker] {
        println!("cargo::rerun-if-changed={}", tool.display());
    }
    copy(&compile(&compiler, &linker, target, log)?)?;
    // DWARF was needed to make BTF of it; the kernel wants BTF only. Without a tool for it
    // the object works as well, and is larger.
    if let Some(objcopy) = find_objcopy() {
        run(Command::new(objcopy).arg("--strip-debug").arg(&object))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error=the eBPF programs were not built");
            for line in error.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}
