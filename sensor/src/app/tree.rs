//! The trees that the configuration names: the host's `/proc` and its root.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};
use config::Config;
use tracing::warn;

/// Magic number of `/proc`, `PROC_SUPER_MAGIC` of `include/uapi/linux/magic.h`.
const PROC: u64 = 0x9fa0;

/// Directories of a root, of which a mounted part of the host has at least one.
const OF_A_ROOT: [&str; 5] = ["etc", "run", "usr", "var", "proc"];

/// Checks the trees before anything is read from them.
///
/// # Errors
/// If a tree is not there, or is not what its key says.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    let sensor = &config.sensor;
    check_proc(&sensor.proc_root)?;
    check_root(&sensor.host_root)?;
    if !has_cgroups(&sensor.proc_root) {
        warn!(
            "no file system of cgroups is mounted on this node: the sensor takes every process for one of the host"
        );
    }
    Ok(())
}

fn check_proc(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let system = rustix::fs::statfs(path).with_context(|| format!("sensor.proc_root {shown}"))?;
    if u64::try_from(system.f_type).is_ok_and(|magic| magic == PROC) {
        return Ok(());
    }
    bail!("sensor.proc_root {shown} is no /proc: name the place where the host's /proc is mounted");
}

fn check_root(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let metadata = fs::metadata(path).with_context(|| format!("sensor.host_root {shown}"))?;
    if metadata.is_dir() && OF_A_ROOT.iter().any(|name| path.join(name).exists()) {
        return Ok(());
    }
    bail!(
        "sensor.host_root {shown} is no root directory, it has none of {}: name the place where the host's / is mounted (HOST_ROOT)",
        OF_A_ROOT.join(", ")
    );
}

/// Whether the host's first process sees a file system of cgroups. If nobody may know, there is
/// no reason for a warning.
fn has_cgroups(proc_root: &Path) -> bool {
    let mounts = fs::read_to_string(proc_root.join("1/mountinfo"));
    mounts.map_or(true, |mounts| names_cgroups(&mounts))
}

/// Whether a `mountinfo` has a file system of cgroups: its type is the first word behind ` - `
/// (proc_pid_mountinfo(5)).
fn names_cgroups(mounts: &str) -> bool {
    let types = mounts.lines().filter_map(|line| line.split_once(" - "));
    types
        .filter_map(|(_, rest)| rest.split(' ').next())
        .any(|kind| matches!(kind, "cgroup" | "cgroup2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut Config)) -> Result<(), String> {
        let mut config = Config::default();
        change(&mut config);
        check(&config).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_trees_of_this_machine_are_right() {
        with(|_| ()).unwrap();
    }

    #[test]
    fn a_tree_that_is_not_what_its_key_says_is_refused_with_the_key_and_the_path() {
        let empty = tempfile::tempdir().unwrap();
        let path = empty.path();
        let shown = path.display();
        let refused = with(|config| config.sensor.proc_root = path.into()).unwrap_err();
        assert!(
            refused.contains(&format!("sensor.proc_root {shown} is no /proc")),
            "{refused}"
        );
        let refused = with(|config| config.sensor.host_root = path.into()).unwrap_err();
        assert!(
            refused.contains(&format!("sensor.host_root {shown} is no root")),
            "{refused}"
        );
        for key in ["proc_root", "host_root"] {
            let gone = path.join("gone");
            let refused = with(|config| match key {
                "proc_root" => config.sensor.proc_root.clone_from(&gone),
                _ => config.sensor.host_root.clone_from(&gone),
            });
            let refused = refused.unwrap_err();
            assert!(
                refused.contains(key) && refused.contains("No such file"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_part_of_the_hosts_root_is_enough() {
        let part = tempfile::tempdir().unwrap();
        fs::create_dir(part.path().join("run")).unwrap();
        with(|config| config.sensor.host_root = part.path().into()).unwrap();
    }

    #[test]
    fn a_file_system_of_cgroups_is_found_among_the_mounts() {
        let mounts = "\
23 30 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw
30 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw
";
        assert!(names_cgroups(mounts));
        let without = mounts.lines().next().unwrap();
        assert!(!names_cgroups(without));
        assert!(!names_cgroups("31 23 0:28 / /cgroup rw - tmpfs cgroup rw"));
    }
}
