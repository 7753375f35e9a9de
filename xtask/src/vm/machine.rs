//! The processors that guests have.

use std::{env::consts, fs, path::Path};

/// What differs between guests of one processor and of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Machine {
    Amd64,
    Arm64,
}

impl Machine {
    /// That of this machine.
    pub(super) fn host() -> Self {
        if consts::ARCH == "aarch64" {
            Self::Arm64
        } else {
            Self::Amd64
        }
    }

    /// Its name in Debian.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Where Debian has its libraries.
    pub(super) fn triplet(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }

    /// Its name in Rust.
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    pub(super) fn qemu(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    /// Whether the host runs its code itself. Emulation in software beats a `/dev/kvm` on a
    /// processor that cannot virtualize.
    pub(super) fn has_kvm(self) -> bool {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut words = processor.split_whitespace();
        let able = self == Self::Arm64 || words.any(|word| word == "vmx" || word == "svm");
        let writable = || fs::File::options().write(true).open(Path::new("/dev/kvm"));
        self == Self::host() && able && writable().is_ok()
    }

    /// QEMU's options for it.
    pub(super) fn hardware(self) -> &'static [&'static str] {
        match (self, self.has_kvm()) {
            (Self::Amd64, true) => &["-machine", "pc", "-accel", "kvm", "-cpu", "host"],
            (Self::Amd64, false) => &[
                "-machine",
                "pc",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max,la57=off",
            ],
            (Self::Arm64, true) => &[
                "-machine",
                "virt,gic-version=max",
                "-accel",
                "kvm",
                "-cpu",
                "host",
            ],
            // Of newer processors the emulator does what is slow: authenticated pointers.
            (Self::Arm64, false) => &[
                "-machine",
                "virt,gic-version=3",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "cortex-a72",
            ],
        }
    }

    /// The kernel's options for it.
    pub(super) fn options(self) -> &'static str {
        match self {
            Self::Amd64 => "console=ttyS0 8250.nr_uarts=4",
            Self::Arm64 => "console=ttyAMA0",
        }
    }

    /// Where the output of the tests goes, beside the console: the device's QEMU options, with
    /// `FILE` for the file, and its name in the guest.
    pub(super) fn output(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Amd64 => (&["-serial", "file:FILE"], "/dev/ttyS1"),
            // The machine `virt` has one serial port of its own.
            Self::Arm64 => (
                &[
                    "-chardev",
                    "file,id=output,path=FILE",
                    "-device",
                    "pci-serial,chardev=output",
                ],
                "/dev/ttyS0",
            ),
        }
    }
}
