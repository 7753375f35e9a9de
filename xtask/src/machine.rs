//! The processors that the sensor is built for.

use std::env::consts;

use anyhow::{Context as _, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Machine {
    Amd64,
    Arm64,
}

impl Machine {
    /// The processor of this machine.
    pub(crate) fn host() -> Self {
        if consts::ARCH == "aarch64" {
            Self::Arm64
        } else {
            Self::Amd64
        }
    }

    /// The processor with that name in Rust.
    pub(crate) fn of_target(target: &str) -> Result<Self> {
        let all = [Self::Amd64, Self::Arm64].into_iter();
        let found = all.clone().find(|machine| machine.target() == target);
        found.with_context(|| {
            let names: Vec<_> = all.map(Self::target).collect();
            format!("{target}: the sensor is built for {}", names.join(" and "))
        })
    }

    /// Its name in Debian, and in OCI.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The directory of its libraries in Debian.
    pub(crate) fn triplet(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }

    /// Its name among rustc's values of `target_arch`.
    pub(crate) fn arch(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Its name in Rust.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }
}
