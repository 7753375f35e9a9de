//! The capabilities that the configuration needs; the sensor gives up all others.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::bail;
use config::Config;
use events::EventSource as _;
use rustix::thread::CapabilitySet;
use telemetry::Identity;
use tracing::{info, warn};

use crate::{
    lifecycle::{self, Rights},
    sources::syscall::SystemCalls,
};

/// Checks that this process may load eBPF programs, before anything is tried.
///
/// # Errors
/// If it may not.
pub(super) fn check() -> anyhow::Result<()> {
    let has = rustix::thread::capabilities(None)?.effective;
    // Before CAP_BPF and CAP_PERFMON, CAP_SYS_ADMIN was the right; the kernel still takes it.
    let enough = [
        CapabilitySet::SYS_ADMIN,
        CapabilitySet::BPF | CapabilitySet::PERFMON,
    ];
    if !enough.into_iter().any(|rights| has.contains(rights)) {
        let rights = SystemCalls::RIGHTS.join(" and ");
        bail!("needs root, or {rights}: sudo sensor");
    }
    Ok(())
}

/// Gives up the capabilities that the sensor no longer needs. If the kernel refuses, the sensor
/// logs the error and goes on with more capabilities than it needs.
pub(super) fn give_up(config: &Config, identity: &Identity) {
    match lifecycle::lock_down(rights(config, identity)) {
        Ok(()) => info!("rights given up"),
        Err(error) => warn!("not all rights could be given up: {error}"),
    }
}

/// The capabilities that the output files need beyond those that every sensor keeps. Call this
/// after the outputs have started, when the log's directory exists.
fn rights(config: &Config, identity: &Identity) -> Rights {
    let own = rustix::process::geteuid().as_raw();
    let tuning = &config.sensor.file_output;
    let owner = tuning.owner;
    let mut paths = Vec::new();
    if config.file_output.enabled {
        paths.extend(with_directory(
            identity.expand(&config.file_output.filename),
        ));
        paths.extend(
            tuning
                .spool
                .directory
                .iter()
                .map(|path| identity.expand(path)),
        );
    }
    if config.metrics.enabled {
        let file = config.metrics.output_file.iter();
        paths.extend(file.flat_map(|path| with_directory(identity.expand(path))));
    }
    let foreign = paths
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .any(|metadata| metadata.uid() != own);
    // The sensor opens a file that it has given to another user again: for new lines, on a signal,
    // after an error.
    let given_away = owner.and_then(|owner| owner.uid);
    let given_away = !paths.is_empty() && given_away.is_some_and(|uid| uid != own);
    Rights {
        chown: owner.is_some(),
        dac_override: foreign || given_away,
        sys_admin: false,
    }
}

/// A file, and the directory of the file.
fn with_directory(file: PathBuf) -> [PathBuf; 2] {
    let directory = match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    [file, directory]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    /// Whether a sensor that writes to `{node}` in a directory needs `CAP_DAC_OVERRIDE`.
    fn overrides(directory: &Path, owner: Option<&str>) -> bool {
        let mut config = Config::default();
        config.sensor.node = Some("n1".into());
        config.file_output.enabled = true;
        config.file_output.filename = directory.join("{node}/falco.log");
        config.sensor.file_output.owner = owner.map(|owner| owner.parse().unwrap());
        rights(&config, &Identity::new(&config)).dac_override
    }

    #[test]
    fn permissions_are_overridden_only_where_the_log_is_another_users() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let of_the_node = dir.path().join("n1");
        fs::create_dir(&of_the_node).unwrap();
        assert!(!overrides(dir.path(), None));
        assert!(!overrides(dir.path(), Some(":1000")));
        assert!(overrides(dir.path(), Some("1000:1000")));
        chown(&of_the_node, Some(1000), None).unwrap();
        assert!(overrides(dir.path(), None), "its directory");
        chown(&of_the_node, Some(0), None).unwrap();
        let log = of_the_node.join("falco.log");
        fs::write(&log, "").unwrap();
        chown(log, Some(1000), None).unwrap();
        assert!(overrides(dir.path(), None), "what an earlier run has left");
    }
}
