//! The tools that make BPF code: compilers and a linker. Used by the build script and by
//! `cargo xtask`, so that both agree on what is missing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where Debian has its compiler.
const DEBIAN: &str = "/usr/bin/rustc";

/// A compiler that can make BPF code.
#[derive(Debug)]
pub(crate) struct Compiler {
    /// Where it comes from, and its version: `rustup-1.95.0`.
    pub(crate) name: String,
    pub(crate) rustc: PathBuf,
    /// The cargo that goes with it.
    pub(crate) cargo: PathBuf,
    /// `core` is compiled along, its sysroot having the source only.
    pub(crate) build_core: bool,
}

impl Compiler {
    /// Looks whether this compiler has what it takes.
    fn inspect(origin: &str, rustc: &Path, target: &str) -> Option<Self> {
        let sysroot = PathBuf::from(stdout(Command::new(rustc).args(["--print", "sysroot"]))?);
        let rustlib = sysroot.join("lib/rustlib");
        let ready = fs::read_dir(rustlib.join(target).join("lib"))
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"));
        if !ready && !rustlib.join("src/rust/library/core/Cargo.toml").exists() {
            return None;
        }
        // What lies in the sysroot is the compiler itself; what was found in PATH may be
        // rustup's proxy, which would choose again.
        let own = |name: &str| Some(sysroot.join("bin").join(name)).filter(|path| path.exists());
        // build-std wants the cargo of its compiler; otherwise the one that runs is as good.
        let cargo = own("cargo").filter(|_| !ready);
        let running = || env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        let rustc = own("rustc").unwrap_or_else(|| rustc.to_owned());
        let version = stdout(Command::new(&rustc).arg("--version"))?;
        let version = version.split(' ').nth(1).unwrap_or("unknown");
        Some(Self {
            name: format!("{origin}-{version}"),
            rustc,
            cargo: cargo.unwrap_or_else(running),
            build_core: !ready,
        })
    }

    /// The compiler that makes the object: the one that `SENSOR_BPF_RUSTC` names, or rustup's
    /// stable where rustup is, or Debian's. One answer for each machine: programs of different
    /// compilers differ in what the kernel's verifier does with them.
    pub(crate) fn find(target: &str) -> Result<Self, String> {
        if let Some(rustc) = env::var_os("SENSOR_BPF_RUSTC").map(PathBuf::from) {
            return Self::inspect("named", &rustc, target).ok_or_else(|| {
                format!(
                    "SENSOR_BPF_RUSTC={}: the compiler does not run, or has neither core for \
                     {target} nor the source of core. Name another compiler, or unset the variable.",
                    rustc.display()
                )
            });
        }
        if let Some(rustc) = rustups() {
            return Self::inspect("rustup", &rustc, target).ok_or_else(|| {
                format!(
                    "rustup's {} has no source of core. Run `cargo xtask setup`, or \
                     `rustup component add rust-src`. SENSOR_BPF_RUSTC names another compiler, \
                     SENSOR_BPF_OBJECT an object that is ready.",
                    rustc.display()
                )
            });
        }
        Self::debians(target).ok_or_else(|| {
            format!(
                "there is no rustup here, and no compiler of Debian's with core for {target}. Run \
                 `cargo xtask setup`, or `apt-get install rustc-web libstd-rust-web-dev-bpf`. \
                 SENSOR_BPF_RUSTC names a compiler elsewhere, SENSOR_BPF_OBJECT an object that is \
                 ready."
            )
        })
    }

    /// Debian's compiler, if it can make BPF code.
    pub(crate) fn debians(target: &str) -> Option<Self> {
        Self::inspect("debian", Path::new(DEBIAN), target)
    }
}

/// rustup's stable compiler; without one, the compiler of this build if it is a release of
/// rustup's.
pub(crate) fn rustups() -> Option<PathBuf> {
    let stable = ["which", "--toolchain=stable", "rustc"];
    stdout(Command::new("rustup").args(stable))
        .map(PathBuf::from)
        .or_else(|| {
            let sysroot = stdout(Command::new(running()).args(["--print", "sysroot"]))?;
            let rustc = Path::new(&sysroot).join("bin/rustc");
            let version = stdout(Command::new(&rustc).arg("--version"))?;
            let release = !version.contains("-nightly") && !version.contains("-beta");
            (release && rustc != Path::new(DEBIAN)).then_some(rustc)
        })
}

/// The compiler of this build.
fn running() -> PathBuf {
    env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

/// What a command prints, if it succeeds.
pub(crate) fn stdout(command: &mut Command) -> Option<String> {
    // Cargo puts the libraries of its own compiler into this variable: with them another
    // compiler would take itself for that one.
    let output = command.env_remove("LD_LIBRARY_PATH").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Directories in which programs are looked for.
pub(crate) fn path_directories() -> Vec<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .chain(cargo_home().map(|home| home.join("bin")))
        .collect()
}

/// Where cargo keeps what it downloads and installs.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// `SENSOR_BPF_LINKER`, or `bpf-linker` in `PATH` or in cargo's `bin`.
pub(crate) fn find_linker() -> Result<PathBuf, String> {
    match env::var_os("SENSOR_BPF_LINKER").map(PathBuf::from) {
        Some(linker) if linker.is_file() => Ok(linker),
        Some(linker) => Err(format!(
            "SENSOR_BPF_LINKER={}: no such file. Name a bpf-linker, or unset the variable.",
            linker.display()
        )),
        None => path_directories()
            .into_iter()
            .map(|directory| directory.join("bpf-linker"))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                "bpf-linker is neither in PATH nor in cargo's bin. Run `cargo xtask setup`, or \
                 `cargo install bpf-linker` with the feature for your compiler's LLVM."
                    .to_owned()
            }),
    }
}
