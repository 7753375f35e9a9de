//! The crates in the binary, as `cargo metadata` lists them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell::{cargo, output, root};

/// A crate.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its licence as an SPDX expression, if it declares one.
    pub(super) licence: Option<String>,
    /// The directory of its sources.
    pub(super) directory: PathBuf,
    /// Whether it comes from a registry, and not from this repository.
    pub(super) foreign: bool,
    /// Names and versions of its dependencies.
    pub(super) uses: BTreeSet<(String, String)>,
}

/// Packages by name and version.
pub(super) type Packages = BTreeMap<(String, String), Package>;

/// All crates in the sensor's binary, and in the eBPF object that the binary contains.
pub(super) fn of_the_sensor(target: &str) -> Result<Packages> {
    let mut found = linked(&root().join("Cargo.toml"), "sensor", Some(target))?;
    let object = linked(&root().join("sensor-ebpf/Cargo.toml"), "sensor-ebpf", None)?;
    found.extend(object);
    Ok(found)
}

fn linked(manifest: &Path, package: &str, target: Option<&str>) -> Result<Packages> {
    let path = manifest.to_string_lossy();
    let mut arguments = vec!["metadata", "--format-version=1", "--locked"];
    arguments.extend(["--manifest-path", &path]);
    if let Some(target) = target {
        arguments.extend(["--filter-platform", target]);
    }
    let text = output(&mut cargo(&arguments))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    closure(&metadata, package).with_context(|| format!("cargo metadata of {}", manifest.display()))
}

/// The packages that `package` reaches by ordinary dependencies.
fn closure(metadata: &Value, package: &str) -> Result<Packages> {
    let by_id: BTreeMap<&str, &Value> = array(metadata, "packages")?
        .iter()
        .filter_map(|item| Some((item["id"].as_str()?, item)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = array(&metadata["resolve"], "nodes")?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let start = by_id
        .iter()
        .find(|(_, item)| item["name"] == package)
        .map(|(id, _)| *id)
        .with_context(|| format!("no package {package}"))?;

    let key = |id: &str| -> Option<(String, String)> {
        let item = by_id.get(id)?;
        Some((text(item, "name")?, text(item, "version")?))
    };
    let (mut found, mut waiting) = (Packages::new(), vec![start]);
    while let Some(id) = waiting.pop() {
        let (Some(item), Some(key_of_this)) = (by_id.get(id), key(id)) else {
            continue;
        };
        if found.contains_key(&key_of_this) {
            continue;
        }
        let uses: Vec<&str> = nodes.get(id).map(|node| ordinary(node)).unwrap_or_default();
        let manifest = text(item, "manifest_path").context("a package without manifest")?;
        let directory = Path::new(&manifest).parent().unwrap_or(Path::new("/"));
        found.insert(
            key_of_this.clone(),
            Package {
                name: key_of_this.0,
                version: key_of_this.1,
                licence: text(item, "license"),
                directory: directory.to_owned(),
                foreign: !item["source"].is_null(),
                uses: uses.iter().filter_map(|id| key(id)).collect(),
            },
        );
        waiting.extend(uses);
    }
    Ok(found)
}

/// Ids of a node's dependencies, without those for tests and build scripts.
fn ordinary(node: &Value) -> Vec<&str> {
    let is_ordinary = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array();
        kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    let dependencies = node["deps"].as_array().map(Vec::as_slice);
    dependencies
        .unwrap_or_default()
        .iter()
        .filter(is_ordinary)
        .filter_map(|dependency| dependency["pkg"].as_str())
        .collect()
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("no {key}"))
}

fn text(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::closure;

    #[test]
    fn only_ordinary_dependencies_are_followed() {
        let package = |name: &str| json!({ "id": name, "name": name, "version": "1.0.0", "manifest_path": format!("/r/{name}/Cargo.toml"), "license": "MIT", "source": "registry" });
        let uses = |name: &str, kind: Option<&str>| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("sensor"), package("linked"), package("deep"), package("tested"), package("built")],
            "resolve": { "nodes": [
                { "id": "sensor", "deps": [uses("linked", None), uses("tested", Some("dev")), uses("built", Some("build"))] },
                { "id": "linked", "deps": [uses("deep", None), uses("sensor", None)] },
            ] },
        });
        let found = closure(&metadata, "sensor").expect("complete metadata");
        let names: Vec<_> = found.keys().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["deep", "linked", "sensor"]);
        assert!(closure(&metadata, "other").is_err());
    }
}
