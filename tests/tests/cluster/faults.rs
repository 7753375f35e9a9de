//! Parts that go away and come back, and ends of the sensor.

use std::{process::Command, thread, time::Duration};

use anyhow::{Result, ensure};
use tests::cluster::until;

use crate::{
    shared::{Installed, cluster},
    ticker::Ticker,
};

fn signal(name: &str, pid: u32) -> Result<()> {
    let done = Command::new("kill")
        .args([name, &pid.to_string()])
        .status()?;
    ensure!(done.success(), "kill {name} {pid}: {done}");
    Ok(())
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn nothing_is_lost_while_the_api_server_is_away() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let ticker = Ticker::start(&shared, "api-away")?;
    shared.cluster.stop_api_server()?;
    thread::sleep(Duration::from_secs(20));
    ticker.some_more()?;
    shared.cluster.start_api_server()?;
    ticker.end()?.nothing_is_missing()?;
    // Pods that come afterwards have their labels from the new connection.
    Ticker::start(&shared, "api-back")?
        .end()?
        .nothing_is_missing()
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn nothing_is_lost_while_containerd_is_away() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let ticker = Ticker::start(&shared, "containerd-away")?;
    shared.cluster.stop_containerd()?;
    thread::sleep(Duration::from_secs(10));
    ticker.some_more()?;
    shared.cluster.start_containerd()?;
    ticker.end()?.nothing_is_missing()?;
    Ticker::start(&shared, "containerd-back")?
        .end()?
        .nothing_is_missing()
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn nothing_is_lost_while_the_sensor_is_stopped_by_a_signal() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let ticker = Ticker::start(&shared, "stopped")?;
    let process = shared.process()?;
    signal("-STOP", process)?;
    thread::sleep(Duration::from_secs(5));
    signal("-CONT", process)?;
    ticker.end()?.nothing_is_missing()
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn a_rollout_loses_and_doubles_nothing() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let ticker = Ticker::start(&shared, "rollout")?;
    let process = shared.process()?;
    shared
        .cluster
        .kubectl(&["-n", "sensor", "rollout", "restart", "daemonset/sensor"])?;
    shared.ready()?;
    ensure!(shared.process()? != process, "the same sensor runs");
    until("the takeover is told", || {
        Ok((!shared.lines("Sensor internal: takeover")?.is_empty()).then_some(()))
    })?;
    ticker.end()?.nothing_is_missing()
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn a_kill_of_the_sensor_loses_only_what_happens_before_the_next_start_record() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let ticker = Ticker::start(&shared, "kill")?;
    let process = shared.process()?;
    signal("-KILL", process)?;
    until("another process", || {
        Ok((shared.process()? != process).then_some(()))
    })?;
    shared.ready()?;
    ticker.end()?.missing_only_at_starts()
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn a_drain_leaves_the_sensor_on_the_node() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let ticker = Ticker::start(&shared, "drain")?;
    let process = shared.process()?;
    let drain = [
        "drain",
        "node1",
        "--ignore-daemonsets",
        "--force",
        "--timeout=60s",
    ];
    shared.cluster.kubectl(&drain)?;
    let written = ticker.written()?;
    shared.cluster.kubectl(&["uncordon", "node1"])?;
    written.nothing_is_missing()?;
    ensure!(shared.process()? == process, "the sensor was started again");
    Ok(())
}
