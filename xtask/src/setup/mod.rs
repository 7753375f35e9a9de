//! `cargo xtask setup`: installs what a machine lacks to build eBPF programs.
//!
//! It keeps what is installed, so a second run does nothing. It prints what it installs.

mod bpf;
mod coverage;
mod packages;

use std::path::{Path, PathBuf};

use anyhow::Result;
pub(crate) use bpf::objects;

use crate::shell::{as_root, command, has, output, run as execute, say};

#[derive(clap::Args, Clone, Copy, Default)]
pub(crate) struct Arguments {
    /// Also install what the integration tests need: runc, containerd, network plugins
    #[arg(long)]
    pub(crate) tests: bool,
}

/// A package, and how to check whether the machine has it.
struct Need {
    /// What the project needs it for.
    what: &'static str,
    /// Name of Debian's package.
    package: &'static str,
    /// Whether the machine has it.
    met: fn() -> bool,
}

/// Packages to build the sensor.
const BUILD: &[Need] = &[
    Need {
        what: "a linker for Rust programs",
        package: "gcc",
        met: || has("cc"),
    },
    Need {
        what: "headers of the C library",
        package: "libc6-dev",
        met: has_libc_headers,
    },
    Need {
        what: "containerd's interface definitions are compiled with protoc",
        package: "protobuf-compiler",
        met: || has("protoc"),
    },
];

/// Packages to run the tests.
const TESTS: &[Need] = &[
    Need {
        what: "libFuzzer is C++",
        package: "g++",
        met: || has("c++"),
    },
    Need {
        what: "the YAML reader is compared with Falco's",
        package: "libyaml-cpp-dev",
        met: || Path::new("/usr/include/yaml-cpp/yaml.h").exists(),
    },
    Need {
        what: "patterns are compared with RE2",
        package: "libre2-dev",
        met: || Path::new("/usr/include/re2/re2.h").exists(),
    },
    Need {
        what: "real containers",
        package: "runc",
        met: || has("runc"),
    },
    Need {
        what: "a real containerd",
        package: "containerd",
        met: || has("containerd"),
    },
    Need {
        what: "a real Docker",
        package: "docker.io",
        met: || has("dockerd"),
    },
    Need {
        what: "a real Podman",
        package: "podman",
        met: || has("podman"),
    },
    Need {
        what: "pods with a network",
        package: "containernetworking-plugins",
        met: || Path::new("/usr/lib/cni/bridge").exists(),
    },
    Need {
        what: "containers without libraries",
        package: "busybox-static",
        met: || has("busybox"),
    },
    Need {
        what: "the test bed talks to containerd's CRI",
        package: "python3-grpcio",
        met: || Path::new("/usr/lib/python3/dist-packages/grpc").exists(),
    },
    Need {
        what: "the checks of deploy/ have an environment of their own",
        package: "python3-venv",
        met: || output(&mut command("python3", &["-c", "import ensurepip"])).is_ok(),
    },
    Need {
        what: "deploy/elastic/install",
        package: "curl",
        met: || has("curl"),
    },
    Need {
        what: "metrics and alert rules are checked by promtool",
        package: "prometheus",
        met: || has("promtool"),
    },
    Need {
        what: "network namespaces",
        package: "iproute2",
        met: || has("ip"),
    },
    Need {
        what: "the bridge plugin's rules",
        package: "iptables",
        met: || has("iptables"),
    },
    Need {
        what: "what an attacker does to the eBPF programs",
        package: "bpftool",
        met: || has("bpftool"),
    },
];

/// Packages to boot other kernels.
const VM: &[Need] = &[
    Need {
        what: "a machine in the machine",
        package: "qemu-system-x86",
        met: || has("qemu-system-x86_64"),
    },
    XZ,
];

/// Packages to boot them on arm64.
const VM_ARM64: &[Need] = &[
    Need {
        what: "an arm64 machine in the machine",
        package: "qemu-system-arm",
        met: || has("qemu-system-aarch64"),
    },
    XZ,
];

const XZ: Need = Need {
    what: "kernel modules are compressed",
    package: "xz-utils",
    met: || has("xz"),
};

/// Packages of a real Kubernetes, beside those of the tests.
const CLUSTER: &[Need] = &[Need {
    what: "a real Kubernetes keeps its objects in it",
    package: "etcd-server",
    met: || has("etcd"),
}];

/// Packages to build for arm64 on another processor.
const CROSS_ARM64: &[Need] = &[
    Need {
        what: "a compiler of C for arm64, and a linker",
        package: "gcc-aarch64-linux-gnu",
        met: || has("aarch64-linux-gnu-gcc"),
    },
    Need {
        what: "the C library for arm64",
        package: "libc6-dev-arm64-cross",
        met: || Path::new("/usr/aarch64-linux-gnu/include/stdio.h").exists(),
    },
];

/// Packages to measure other tools.
const PEERS: &[Need] = &[
    Need {
        what: "measured beside the sensor",
        package: "bpftrace",
        met: || has("bpftrace"),
    },
    Need {
        what: "measured beside the sensor",
        package: "libbpf-tools",
        met: || has("execsnoop"),
    },
    Need {
        what: "measured beside the sensor",
        package: "auditd",
        met: || has("auditctl"),
    },
    Need {
        what: "newer ones of them are in a system of their own",
        package: "debootstrap",
        met: || has("debootstrap"),
    },
];

/// Installs the tools of `cargo xtask bench peers`.
pub(crate) fn install_peers() -> Result<()> {
    packages::install(PEERS)
}

/// Installs the packages for `cargo xtask vm`.
pub(crate) fn install_for_vm() -> Result<()> {
    packages::install(VM)
}

/// Installs the packages for a real Kubernetes.
pub(crate) fn install_for_cluster() -> Result<()> {
    packages::install(CLUSTER)
}

/// Installs the packages for guests with arm64.
pub(crate) fn install_for_arm64_vm() -> Result<()> {
    packages::install(VM_ARM64)
}

/// Installs the packages to build for arm64 on another processor.
pub(crate) fn install_for_arm64() -> Result<()> {
    packages::install(CROSS_ARM64)
}

/// Installs what `cargo xtask coverage` needs; returns the variables by which it finds its tools.
pub(crate) fn install_for_coverage() -> Result<Vec<(&'static str, PathBuf)>> {
    coverage::tools()
}

fn has_libc_headers() -> bool {
    Path::new("/usr/include/stdio.h").exists()
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    packages::install(BUILD)?;
    bpf::compiler()?;
    if arguments.tests {
        packages::install(TESTS)?;
        bpf::second_compiler();
    }
    mount_tracefs();
    say("set up");
    Ok(())
}

/// Perf tracepoints need tracefs; without it the sensor uses raw tracepoints, so this may fail.
fn mount_tracefs() {
    let mounted = Path::new("/sys/kernel/tracing/events").exists();
    if mounted || !Path::new("/sys/kernel/tracing").exists() {
        return;
    }
    say("mounting tracefs");
    if let Err(error) = execute(&mut as_root(
        "mount",
        &["-t", "tracefs", "tracefs", "/sys/kernel/tracing"],
    )) {
        say(format_args!(
            "no tracefs, system calls are observed by raw tracepoints: {error}"
        ));
    }
}
