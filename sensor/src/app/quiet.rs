//! A hint for somebody who waits for lines that do not come: the rules ask for containers only, and
//! no container does anything.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use config::Config;
use metadata::{Names, container_id};
use sensor_ebpf::Kinds;
use telemetry::SourceTotals;
use tracing::info;

use super::{options, rules::HOST};
use crate::sources::syscall::capture::Reach;

/// How long a ready sensor may have nothing to evaluate before the hint.
const QUIET: Duration = Duration::from_secs(5);

/// Gives the hint once, or never.
#[derive(Debug)]
pub(super) struct Quiet {
    expects: bool,
}

impl Quiet {
    /// Waits for events of the kinds and places that the rules ask for.
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            expects: reach.host == Kinds::NONE && reach.container != Kinds::NONE,
        }
    }

    /// Logs the hint if it is time. `ready` is when the sensor became ready.
    pub(super) fn look(
        &mut self,
        now: Instant,
        ready: Instant,
        totals: impl FnOnce() -> SourceTotals,
        config: &Config,
    ) {
        if !self.expects || now.duration_since(ready) < QUIET {
            return;
        }
        self.expects = false;
        let totals = totals();
        if totals.sum(|kind| kind.matched + kind.unmatched) > 0 {
            return;
        }
        let left_out = totals.sum(|kind| kind.filtered() + kind.passed_over);
        let containers = has_containers(
            &config.sensor.proc_root,
            &options::metadata(config).runtimes.namespaces,
        );
        info!("{}", hint(containers, left_out));
    }
}

fn hint(containers: bool, left_out: u64) -> String {
    let why = if containers {
        "no container has done anything that the rules ask for so far, and they ask for containers only"
    } else {
        "no container runs here, and the rules ask for containers only"
    };
    format!(
        "{why}: {left_out} events of the host were left out. To see the host: sensor -r {}",
        HOST.0
    )
}

/// Whether a process is in the cgroup of a container.
fn has_containers(proc_root: &Path, namespaces: &[String]) -> bool {
    let processes = fs::read_dir(proc_root).into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read_to_string(process.path().join("cgroup")).ok())
        .any(|cgroups| is_of_a_container(&cgroups, namespaces))
}

/// Whether a `/proc/PID/cgroup` has the path of a container: `NUMBER:CONTROLLERS:PATH` a line.
fn is_of_a_container(cgroups: &str, namespaces: &[String]) -> bool {
    let paths = cgroups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2));
    paths.into_iter().any(|path| {
        let mut names = Vec::new();
        for name in path.rsplit('/').filter(|name| !name.is_empty()) {
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        container_id(Names(&names), namespaces).is_some()
    })
}

#[cfg(test)]
mod tests {
    use sensor_ebpf::Kind;

    use super::*;

    #[test]
    fn a_hint_is_due_only_where_the_rules_ask_for_containers_alone() {
        let exec = Kinds::NONE.with(Kind::Exec);
        let containers = Reach {
            container: exec,
            host: Kinds::NONE,
        };
        assert!(Quiet::new(containers).expects);
        assert!(!Quiet::new(Reach::everywhere(exec)).expects);
        assert!(!Quiet::new(Reach::everywhere(Kinds::NONE)).expects);
    }

    #[test]
    fn a_container_is_found_by_the_path_of_a_cgroup() {
        let id = "0123456789abcdef".repeat(4);
        let none: [String; 0] = [];
        let kubernetes = format!("3:cpu:/\n0::/kubepods/besteffort/pod5f0a/{id}\n");
        assert!(is_of_a_container(&kubernetes, &none));
        assert!(is_of_a_container(
            &format!("0::/docker/{id}/init.scope"),
            &none
        ));
        assert!(!is_of_a_container("0::/system.slice/ssh.service\n", &none));
        assert!(!is_of_a_container("", &none));
    }

    #[test]
    fn the_hint_says_how_many_events_were_left_out_and_how_to_see_the_host() {
        let text = hint(false, 12);
        for part in [
            "no container runs here",
            "12 events",
            "sensor -r built-in/host.yaml",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(hint(true, 0).contains("no container has done anything"));
    }
}
