//! A node on which nothing happens. Its test is the first in the order of names, so that the others
//! run meanwhile.

use std::{fs, thread, time::Duration};

use anyhow::{Result, ensure};
use tests::cluster::{Cluster, Nodes};

use crate::shared::{image, overlay, ready};

/// Without the variable `SENSOR_TEST_QUIET` in seconds: a connection that pings every 20 s was closed after 80 s.
const QUIET: Duration = Duration::from_mins(2);

fn quiet() -> Result<Duration> {
    match std::env::var("SENSOR_TEST_QUIET") {
        Ok(seconds) => Ok(Duration::from_secs(seconds.parse()?)),
        Err(_) => Ok(QUIET),
    }
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn has_no_line_in_the_log_and_no_broken_stream() -> Result<()> {
    let cluster = Cluster::start(Nodes::Containers(1), &image()?)?;
    cluster.kubectl(&["apply", "-k", &overlay("privileged")])?;
    ready(&cluster)?;
    let log = || cluster.kubectl(&["-n", "sensor", "logs", "daemonset/sensor"]);
    // What belongs to the start has come.
    thread::sleep(Duration::from_secs(5));
    let before = log()?;
    thread::sleep(quiet()?);
    let after = log()?;
    let new = after.strip_prefix(&before).unwrap_or(&after);
    ensure!(new.is_empty(), "new lines in the log: {new}");
    let containerd = fs::read_to_string(cluster.dir().join("node1/containerd.log"))?;
    for word in ["GOAWAY", "too_many_pings"] {
        ensure!(
            !containerd.contains(word),
            "containerd's log has {word}: {containerd}"
        );
    }
    Ok(())
}
