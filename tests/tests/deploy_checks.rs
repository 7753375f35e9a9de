//! Checks of everything in `deploy/` by `deploy/tests/run` (Python): one cargo test for each of its
//! modules, so that CI names the one that failed.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};

fn check(module: &str) -> Result<()> {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/tests/run");
    let done = Command::new(run).arg(module).output()?;
    ensure!(
        done.status.success(),
        "deploy/tests/run {module}:\n{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

#[test]
fn every_overlay_is_valid_for_each_kubernetes_and_keeps_its_promises() -> Result<()> {
    check("test_manifests")
}

#[test]
fn the_chart_renders_the_users_values_to_the_golden_file() -> Result<()> {
    check("test_chart")
}

#[test]
fn the_ingest_pipelines_make_documents_that_the_index_takes() -> Result<()> {
    check("test_pipelines")
}

#[test]
fn the_installer_sends_what_ships_and_stops_at_a_refusal() -> Result<()> {
    check("test_installer")
}

#[test]
fn the_hunts_ask_for_fields_that_documents_have() -> Result<()> {
    check("test_hunts")
}
