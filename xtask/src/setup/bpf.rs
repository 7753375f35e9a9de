//! A compiler for the BPF target, and bpf-linker with the same LLVM.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::packages::{apt_install, apt_knows};
use crate::{
    machine::Machine,
    shell::{cargo, command, has, left_out, output, root, run, say, target},
};

#[path = "../../../sensor/build/object.rs"]
mod object;
#[path = "../../../sensor/build/tools.rs"]
mod tools;

use tools::{Compiler, find_linker, rustups};

const TARGET: &str = "bpfel-unknown-none";
/// The newest version of bpf-linker that compiles with the workspace's Rust.
const LINKER_VERSION: &str = "0.13.0";

/// Makes sure that the build script finds a compiler and a linker that fit together.
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
        "compiler for eBPF: {}, {rustc} ({core}), driven by {cargo}",
        compiler.name
    ));
    linker(&compiler.rustc)
}

/// Adds the source of core to rustup's stable toolchain; without rustup, installs Debian's
/// compiler, which has core for BPF.
fn install() -> Result<Compiler> {
    let found = || Compiler::find(TARGET).map_err(|error| anyhow!(error));
    if env::var_os("SENSOR_BPF_RUSTC").is_some() {
        return found();
    }
    if let Some(rustc) = rustups() {
        say(format_args!("{} has no source of core", rustc.display()));
        let mut add = command("rustup", &["component", "add", "rust-src"]);
        if rustc.to_string_lossy().contains("/stable-") {
            add.arg("--toolchain=stable");
        }
        run(&mut add).context(
            "rustup could not add the source of core; where its server is out of reach, name \
             another compiler with core for BPF: SENSOR_BPF_RUSTC=/usr/bin/rustc",
        )?;
    } else {
        install_debians()?;
    }
    found()
}

/// Debian 12 and 13 have the newer compiler in a package beside their own; later ones have it as
/// their own.
fn install_debians() -> Result<()> {
    let packages: &[_] = if apt_knows("libstd-rust-web-dev-bpf") {
        &["rustc-web", "libstd-rust-web-dev-bpf"]
    } else {
        &["rustc", "libstd-rust-dev-bpf"]
    };
    say(format_args!(
        "missing: {} (core for BPF)",
        packages.join(" and ")
    ));
    apt_install(packages)
}

/// Installs Debian's compiler beside rustup's, for the tests that check the eBPF programs of both
/// against their budgets. Without such a package there is one compiler.
pub(super) fn second_compiler() {
    if Compiler::debians(TARGET).is_none()
        && has("apt-get")
        && let Err(error) = install_debians()
    {
        say(format_args!("no second compiler for eBPF: {error:#}"));
    }
}

/// Compiles the eBPF programs with each compiler; returns the paths of the objects, `bpf-NAME.o`.
pub(crate) fn objects(machine: Machine) -> Result<Vec<PathBuf>> {
    let error = |error| anyhow!("{error}");
    let first = Compiler::find(TARGET).map_err(error)?;
    let linker = find_linker().map_err(error)?;
    let llvm = llvm_major(&first.rustc)?;
    let mut compilers = vec![first];
    match Compiler::debians(TARGET) {
        // Only the LLVM that wrote bitcode, and newer ones, can read it.
        Some(second) if llvm_major(&second.rustc)? > llvm => left_out(format_args!(
            "the programs of {}, whose LLVM is newer than that of bpf-linker",
            second.name
        ))?,
        Some(second) if second.rustc != compilers[0].rustc => compilers.push(second),
        _ => left_out("the programs of a second compiler, which is not here")?,
    }
    let target_dir = target();
    let build = object::Build {
        root: root(),
        target_dir: &target_dir,
        target: TARGET,
        arch: machine.arch(),
        log: false,
    };
    let directory = target_dir.join("bpf/objects").join(machine.debian());
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
    }
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let object = |compiler: &Compiler| {
        say(format_args!("compiling the programs by {}", compiler.name));
        let compiled = build.object(compiler, &linker).map_err(error)?;
        let object = directory.join(format!("bpf-{}.o", compiler.name));
        fs::copy(&compiled, &object).with_context(|| compiled.display().to_string())?;
        Ok(object)
    };
    compilers.iter().map(object).collect()
}

/// Builds bpf-linker, if it is missing or has another LLVM than the compiler: only the LLVM that
/// wrote bitcode, and newer ones, can read it.
fn linker(rustc: &Path) -> Result<()> {
    let (library, major) = library_of(rustc)?;
    let name = library.file_name().unwrap_or_default().to_owned();
    if let Ok(linker) = find_linker() {
        let version = output(&mut command(&linker, &["--version"])).unwrap_or_default();
        let chosen = env::var_os("SENSOR_BPF_LINKER").is_some();
        let bytes = fs::read(&linker).with_context(|| linker.display().to_string())?;
        let soname = format!("libLLVM.so.{major}");
        // A linker with LLVM inside, or with the same shared library.
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
    // The build needs a prefix with lib/libLLVM.so. The linker later looks for the library in that
    // directory, so the directory stays. No development package is needed.
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
    install.env("LLVM_PREFIX", &prefix);
    // LLVM does most of the work, and is compiled already.
    for (setting, value) in [
        ("DEBUG", "false"),
        ("STRIP", "true"),
        ("OPT_LEVEL", "0"),
        ("LTO", "off"),
        ("CODEGEN_UNITS", "16"),
    ] {
        install.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    run(&mut install)?;
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
        .context("the compiler does not print its LLVM version")?
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
