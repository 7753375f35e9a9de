//! The configuration in the shipped manifests, read by the sensor's own reader.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Result, ensure};
use config::{Inputs, Loaded, load};
use sensor::sources::syscall::fields;

/// The configuration in the cluster: the shipped file and the container's environment.
fn shipped() -> Result<Loaded> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes/base/sensor.yaml");
    let environment = [("NODE_NAME", "node-1"), ("HOST_ROOT", "/host")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(load(&Inputs {
        file: Some(file),
        environment: BTreeMap::from(environment),
        overrides: Vec::new(),
    })?)
}

#[test]
fn the_shipped_configuration_is_read_without_a_warning() -> Result<()> {
    let loaded = shipped()?;
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    ensure!(warnings.is_empty(), "{warnings:#?}");
    Ok(())
}

#[test]
fn every_appended_field_is_one_of_the_registry() -> Result<()> {
    for entry in shipped()?.config.append_output {
        for name in &entry.extra_fields {
            ensure!(fields::find(name).is_some(), "no field {name}");
        }
    }
    Ok(())
}

#[test]
fn events_go_to_one_file_for_each_node_and_nowhere_else() -> Result<()> {
    let config = shipped()?.config;
    ensure!(config.json_output && config.file_output.enabled && !config.stdout_output.enabled);
    let file = config.file_output.filename;
    ensure!(
        file == Path::new("/var/log/falco/falco-{node}.log"),
        "{}",
        file.display()
    );
    ensure!(config.webserver.listen_port == 8765);
    Ok(())
}

#[test]
fn manifests_and_chart_name_the_version_that_is_built() -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    for (file, line) in [
        (
            "kubernetes/base/kustomization.yaml",
            format!("newTag: {version}"),
        ),
        ("helm/sensor/Chart.yaml", format!("appVersion: {version}")),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../deploy")
            .join(file);
        let text = std::fs::read_to_string(path)?;
        ensure!(text.lines().any(|l| l.trim() == line), "{file}: no {line}");
    }
    Ok(())
}
