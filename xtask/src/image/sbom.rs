//! The bill of materials: `CycloneDX` 1.6, of the crates in the binary.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    oci,
    packages::{Package, Packages},
};
use crate::{
    cross::Build,
    shell::{command, output},
};

/// The document; equal inputs give equal bytes (so the document has no serial number).
pub(super) fn document(packages: &Packages, toolchain: &[Toolchain], time: u64) -> Result<Vec<u8>> {
    let own = |package: &&Package| package.name == "sensor";
    let root = packages.values().find(own).map(component);
    let components: Vec<Value> = packages
        .values()
        .filter(|package| !own(package))
        .map(component)
        .chain(toolchain.iter().map(Toolchain::component))
        .collect();
    let dependencies: Vec<Value> = packages
        .values()
        .map(|package| {
            let uses: Vec<String> = package
                .uses
                .iter()
                .map(|(name, version)| purl(name, version))
                .collect();
            json!({ "ref": purl(&package.name, &package.version), "dependsOn": uses })
        })
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "timestamp": oci::timestamp(time), "component": root },
        "components": components,
        "dependencies": dependencies,
    });
    Ok(serde_json::to_vec(&document)?)
}

/// Libraries in the binary that are not in the lock file.
pub(super) struct Toolchain {
    name: &'static str,
    version: String,
    licence: &'static str,
}

impl Toolchain {
    /// The C library and Rust's standard library of a build.
    pub(super) fn of(build: &Build) -> Result<[Self; 2]> {
        let macros = [
            "-dM",
            "-E",
            "-x",
            "c",
            "-include",
            "features.h",
            "/dev/null",
        ];
        let macros = output(&mut command(build.linker(), &macros))?;
        let number = |name: &str| {
            let mut lines = macros.lines();
            let value = lines.find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name));
            value.with_context(|| format!("the headers of {} have no {name}", build.linker()))
        };
        let rustc = output(&mut command(build.rustc(), &["--version"]))?;
        Ok([
            Self {
                name: "glibc",
                version: format!("{}.{}", number("__GLIBC__ ")?, number("__GLIBC_MINOR__ ")?),
                licence: "LGPL-2.1-or-later",
            },
            Self {
                name: "rust",
                version: rustc.split_whitespace().nth(1).unwrap_or("").to_owned(),
                licence: "MIT OR Apache-2.0",
            },
        ])
    }

    fn component(&self) -> Value {
        let purl = format!("pkg:generic/{}@{}", self.name, self.version);
        json!({
            "type": "library",
            "bom-ref": purl,
            "name": self.name,
            "version": self.version,
            "purl": purl,
            "licenses": [{ "expression": self.licence }],
        })
    }
}

fn component(package: &Package) -> Value {
    let purl = purl(&package.name, &package.version);
    let kind = if package.name == "sensor" {
        "application"
    } else {
        "library"
    };
    let mut component = json!({
        "type": kind,
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
    });
    if let Some(licence) = &package.licence {
        // Old manifests write "MIT/Apache-2.0", which is no SPDX expression.
        let expression = licence.replace('/', " OR ");
        component["licenses"] = json!([{ "expression": expression }]);
    }
    component
}

fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::image::packages::{Package, Packages};

    fn package(name: &str, uses: &[&str]) -> Package {
        Package {
            name: name.into(),
            version: "1.0.0".into(),
            licence: Some("MIT/Apache-2.0".into()),
            directory: "/nowhere".into(),
            foreign: true,
            uses: uses
                .iter()
                .map(|used| ((*used).into(), "1.0.0".into()))
                .collect(),
        }
    }

    #[test]
    fn components_and_their_uses_are_listed_by_package_url() {
        let packages: Packages = [package("sensor", &["aya"]), package("aya", &[])]
            .into_iter()
            .map(|package| ((package.name.clone(), package.version.clone()), package))
            .collect();
        let bytes = document(&packages, &[], 0).expect("in memory");
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(json["metadata"]["component"]["name"], "sensor");
        assert_eq!(json["components"][0]["purl"], "pkg:cargo/aya@1.0.0");
        assert_eq!(
            json["components"][0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(
            json["dependencies"][1]["dependsOn"][0],
            "pkg:cargo/aya@1.0.0"
        );
        assert_eq!(bytes, document(&packages, &[], 0).expect("in memory"));
    }
}
