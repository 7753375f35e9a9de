//! The tools that make BPF code: a compiler and a linker. Used by the build script
//! and by `cargo xtask setup`, so that both agree on what is missing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A compiler that can make BPF code.
pub(crate) struct Compiler {
    pub(crate) rustc: PathBuf,
    /// The cargo that goes with it.
    pub(crate) cargo: PathBuf,
    /// `core` is compiled along, its sysroot having the source only.
    pub(crate) build_core: bool,
}

impl Compiler {
    /// Looks whether this compiler has what it takes.
    fn inspect(rustc: &Path, target: &str) -> Option<Self> {
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
        Some(Self {
            rustc: own("rustc").unwrap_or_else(|| rustc.to_owned()),
            cargo: cargo.unwrap_or_else(running),
            build_core: !ready,
        })
    }

    /// The first compiler in the order that `build.rs` tells.
    pub(crate) fn find(target: &str) -> Result<Self, String> {
        if let Some(rustc) = env::var_os("SENSOR_BPF_RUSTC").map(PathBuf::from) {
            return Self::inspect(&rustc, target).ok_or_else(|| {
                format!(
                    "SENSOR_BPF_RUSTC={}: it does not run, or has neither core for {target} nor \
                     core's source. Name another compiler, or unset the variable.",
                    rustc.display()
                )
            });
        }
        let nightly =
            stdout(Command::new("rustup").args(["which", "--toolchain=nightly", "rustc"]));
        [
            Some(env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)),
            nightly.map(PathBuf::from),
            Some("/usr/bin/rustc".into()),
        ]
        .into_iter()
        .flatten()
        .find_map(|rustc| Self::inspect(&rustc, target))
        .ok_or_else(|| {
            format!(
                "no Rust compiler here has core for {target}, nor its source. Run `cargo xtask \
                 setup`, or by hand: `rustup component add rust-src` (rustup), or `apt-get install \
                 rustc-web libstd-rust-web-dev-bpf` (Debian). SENSOR_BPF_RUSTC names a compiler \
                 elsewhere, SENSOR_BPF_OBJECT an object that is ready."
            )
        })
    }
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
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .chain(cargo_home.map(|home| home.join("bin")))
        .collect()
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
