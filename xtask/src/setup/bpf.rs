//! A compiler for the BPF target, and bpf-linker on the same LLVM.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::packages::{apt_install, apt_knows};
use crate::shell::{cargo, command, has, output, run, say};

#[path = "../../../sensor/build/tools.rs"]
mod tools;

use tools::{Compiler, find_linker};

const TARGET: &str = "bpfel-unknown-none";
/// Later versions need a newer Rust than the workspace's.
const LINKER_VERSION: &str = "0.13.0";

/// Makes sure that the build script finds a compiler and a linker that fit.
pub(super) fn compiler() -> Result<()> {
    let compiler = match Compiler::find(TARGET) {
        Ok(compiler) => compiler,
        Err(_) => install()?,
    };
    let core = if compiler.build_core {
        "core is built along"
    } else {
        "core is prebuilt"
    };
    let (rustc, cargo) = (compiler.rustc.display(), compiler.cargo.display());
    say(format_args!(
        "compiler for eBPF: {rustc} ({core}), driven by {cargo}"
    ));
    linker(&compiler.rustc)
}

/// Adds core's source to rustup's toolchain, or installs a compiler that has core for BPF.
fn install() -> Result<Compiler> {
    if has("rustup") && env::var_os("SENSOR_BPF_RUSTC").is_none() {
        say("rustup's toolchain has no source of core");
        match run(&mut command("rustup", &["component", "add", "rust-src"])) {
            Ok(()) => return Compiler::find(TARGET).map_err(|error| anyhow!(error)),
            Err(error) => say(format_args!("rustup could not add it: {error:#}")),
        }
    }
    // Debian 12 and 13 have the newer compiler beside their own, later ones as their own.
    let packages: &[_] = if apt_knows("libstd-rust-web-dev-bpf") {
        &["rustc-web", "libstd-rust-web-dev-bpf"]
    } else {
        &["rustc", "libstd-rust-dev-bpf"]
    };
    say(format_args!(
        "missing: {} (core for BPF)",
        packages.join(" and ")
    ));
    apt_install(packages)?;
    Compiler::find(TARGET).map_err(|error| anyhow!(error))
}

/// Builds bpf-linker, if it is missing or on another LLVM than the compiler: bitcode is
/// read by the LLVM that wrote it.
fn linker(rustc: &Path) -> Result<()> {
    let (library, major) = library_of(rustc)?;
    let name = library.file_name().unwrap_or_default().to_owned();
    if let Ok(linker) = find_linker() {
        let version = output(&mut command(&linker, &["--version"])).unwrap_or_default();
        let chosen = env::var_os("SENSOR_BPF_LINKER").is_some();
        let bytes = fs::read(&linker).with_context(|| linker.display().to_string())?;
        let soname = format!("libLLVM.so.{major}");
        // A linker that was built with LLVM inside, or against the same shared library.
        let fits = contains(&bytes, soname.as_bytes()) || !contains(&bytes, b"libLLVM.so");
        if chosen || (version == format!("bpf-linker {LINKER_VERSION}") && fits) {
            say(format_args!(
                "linker for eBPF: {} ({version})",
                linker.display()
            ));
            return Ok(());
        }
    }
    say(format_args!(
        "building bpf-linker {LINKER_VERSION} on {} (minutes)",
        library.display()
    ));
    // Its build wants a prefix with lib/libLLVM.so. That directory becomes the place where the
    // linker looks for the library, so it stays. No development package is needed.
    let prefix = data_home()?.join("bpf-linker").join(&name);
    let lib = prefix.join("lib");
    fs::create_dir_all(&lib).with_context(|| lib.display().to_string())?;
    for (link, to) in [
        (lib.join(&name), library.as_path()),
        (lib.join("libLLVM.so"), name.as_ref()),
    ] {
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link).with_context(|| link.display().to_string())?;
        }
        symlink(to, &link).with_context(|| link.display().to_string())?;
    }
    let feature = format!("llvm-{major}");
    let mut install = cargo(&["install", "--quiet", "--locked", "--force", "bpf-linker"]);
    install.args([
        "--version",
        LINKER_VERSION,
        "--no-default-features",
        "--features",
        &feature,
    ]);
    install
        .env("LLVM_PREFIX", &prefix)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    run(install.env("CARGO_PROFILE_RELEASE_STRIP", "true"))?;
    let linker = find_linker().map_err(|error| anyhow!(error))?;
    output(&mut command(&linker, &["--version"]))
        .context("bpf-linker was built, but does not run")?;
    Ok(())
}

/// The major version of a compiler's LLVM.
pub(super) fn llvm_major(rustc: &Path) -> Result<String> {
    let version = output(&mut command(rustc, &["-vV"]))?;
    let major = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next());
    Ok(major
        .context("the compiler does not tell its LLVM version")?
        .to_owned())
}

/// The LLVM library that a compiler uses, and LLVM's major version.
fn library_of(rustc: &Path) -> Result<(PathBuf, String)> {
    let major = llvm_major(rustc)?;
    let sysroot = PathBuf::from(output(&mut command(rustc, &["--print", "sysroot"]))?);
    let prefix = format!("libLLVM.so.{major}.");
    let mut directories = vec![sysroot.join("lib")];
    let inside = fs::read_dir(sysroot.join("lib"))
        .into_iter()
        .flatten()
        .flatten();
    directories.extend(
        inside
            .map(|entry| entry.path())
            .filter(|path| path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu")),
    );
    for directory in directories {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                return Ok((entry.path(), major));
            }
        }
    }
    bail!(
        "no shared library {prefix}* beside {}: bpf-linker cannot be built for it",
        rustc.display()
    )
}

fn data_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("XDG_DATA_HOME") {
        return Ok(home.into());
    }
    let home = env::home_dir().context("no home directory: set HOME")?;
    Ok(home.join(".local/share"))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
