//! Builds the eBPF programs (`../sensor-ebpf`) and leaves the object in
//! `OUT_DIR/sensor-ebpf`, from where the sensor embeds it.
//!
//! The compiler is the first of these that has `core` for the BPF target, or its source:
//!
//! 1. none: `SENSOR_BPF_OBJECT` names an object that is ready
//! 2. `SENSOR_BPF_RUSTC`, and then no other
//! 3. the compiler of this build
//! 4. rustup's nightly
//! 5. `/usr/bin/rustc` (Debian has `core` for BPF in a package)
//!
//! The linker is `SENSOR_BPF_LINKER`, or `bpf-linker` in `PATH` or in cargo's `bin`.
//! The feature `bpf-log` compiles the programs' log lines in. `cargo xtask setup` installs
//! what is missing.
//!
//! It runs again when the eBPF crate or the tools change, and not otherwise.

#[path = "build/tools.rs"]
mod tools;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use tools::{Compiler, find_linker, path_directories, stdout};

/// Name of the package, its directory and its object.
const CRATE: &str = "sensor-ebpf";

type Result<T> = std::result::Result<T, String>;

/// Runs a command; if it fails, its output is the error.
fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}:\n{text}", output.status))
}

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
    // OUT_DIR is TARGET/PROFILE/build/PACKAGE/out: debug and release share what is compiled.
    let target_dir = out.ancestors().nth(4).unwrap_or(&out);
    let target_dir = target_dir.join(if log { "bpf-log" } else { "bpf" });
    let arch = var("CARGO_CFG_TARGET_ARCH")?;
    let arch = if arch.starts_with("riscv64") {
        "riscv64"
    } else {
        &arch
    };
    let mut flags = vec![
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        "-Cdebuginfo=2".to_owned(),
        format!("-Clinker={}", linker.display()),
        "-Clink-arg=--btf".to_owned(),
        // BTF's line information names source files: the same bytes wherever they lie.
        format!("--remap-path-prefix={}=.", root.display()),
    ];
    let home = path_directories()
        .pop()
        .and_then(|bin| bin.parent().map(Path::to_owned));
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=cargo", home.display())));

    let mut cargo = Command::new(&compiler.cargo);
    // The cargo that runs this script has told it its own profile, wrapper and flags.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let kept = [
            "CARGO_HOME",
            "CARGO_HTTP",
            "CARGO_NET",
            "CARGO_REGISTR",
            "CARGO_MAKEFLAGS",
        ];
        let told = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"];
        if told.iter().any(|prefix| text.starts_with(prefix))
            && !kept.iter().any(|prefix| text.starts_with(prefix))
        {
            cargo.env_remove(&name);
        }
    }
    cargo
        .current_dir(root.join(CRATE))
        .env_remove("LD_LIBRARY_PATH")
        .args([
            "build",
            "--release",
            "--bins",
            "--locked",
            "--target",
            target,
            "--target-dir",
        ])
        .arg(&target_dir)
        .env("RUSTC", &compiler.rustc)
        // For the unstable `asm_experimental_arch`, in these two crates.
        .env("RUSTC_BOOTSTRAP", "aya_ebpf,sensor_ebpf")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    if log {
        cargo.args(["--features", "log"]);
    }
    if compiler.build_core {
        // build-std is unstable, so everything is let be.
        cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
    }
    run(&mut cargo)?;
    Ok(target_dir.join(target).join("release").join(CRATE))
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
