//! The system's packages.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use super::Need;
use crate::shell::{as_root, command, has, output, run, say};

/// The script that packages call before they start a service (`policy-rc.d`).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs missing packages.
pub(super) fn install(needs: &[Need]) -> Result<()> {
    let missing: Vec<_> = needs.iter().filter(|need| !(need.met)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say(format_args!("missing: {} ({})", need.package, need.what));
    }
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    apt_install(&packages)?;
    match missing.iter().find(|need| !(need.met)()) {
        Some(need) => bail!(
            "{} was installed, but is still not to be found",
            need.package
        ),
        None => Ok(()),
    }
}

/// Installs Debian's packages of these names.
pub(super) fn apt_install(packages: &[&str]) -> Result<()> {
    if !has("apt-get") {
        bail!(
            "there is no apt-get here: install the equivalents of Debian's {} and try again",
            packages.join(", ")
        );
    }
    let _no_services = NoServices::begin()?;
    run(&mut apt(&["update"]))?;
    let mut install = apt(&["install", "--yes", "--no-install-recommends"]);
    run(install.args(packages)).context("apt-get could not install what is missing")
}

/// Whether apt has a package with that name.
pub(super) fn apt_knows(package: &str) -> bool {
    output(&mut command("apt-cache", &["show", package])).is_ok()
}

fn apt(arguments: &[&str]) -> std::process::Command {
    let mut all = vec!["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"];
    all.extend([
        "--option=DPkg::Lock::Timeout=300",
        "--option=Acquire::Retries=3",
    ]);
    all.extend(arguments);
    as_root("env", &all)
}

/// While this value exists, no installed package starts a service.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        let file = std::env::temp_dir().join(format!("policy-rc.d.{}", std::process::id()));
        fs::write(&file, "#!/bin/sh\nexit 101\n")?;
        let source = file.to_string_lossy();
        let installed = run(&mut as_root("install", &["-m", "755", &source, POLICY]));
        fs::remove_file(&file)?;
        installed.map(|()| Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = run(&mut as_root("rm", &[POLICY]))
        {
            say(format_args!(
                "{POLICY} stays and keeps services from starting: {error}"
            ));
        }
    }
}
