//! Kernels of Debian's packages.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::PathBuf,
};

use anyhow::Result;

use crate::{debian, machine::Machine};

/// Modules that the guest loads before anything else, if its kernel has them as modules.
const AT_BOOT: [&str; 2] = ["overlay", "veth"];

/// An unpacked kernel.
pub(super) struct Kernel {
    directory: PathBuf,
    /// Release, as `uname -r` prints it.
    pub(super) release: String,
}

impl Kernel {
    /// The newest kernel of a series; downloaded if it is not in the cache.
    pub(super) fn fetch(machine: Machine, series: &str) -> Result<Self> {
        let directory = debian::kernel(machine, series)?;
        let release = fs::read_to_string(directory.join("release"))?
            .trim()
            .to_owned();
        Ok(Self { directory, release })
    }

    /// The compressed kernel.
    pub(super) fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// Modules to load at boot, these and those of every guest, with their dependencies, in the
    /// order of loading: paths below `lib/modules/RELEASE`, and their contents.
    pub(super) fn modules(&self, more: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let base = self.directory.join("lib/modules").join(&self.release);
        let text = fs::read_to_string(base.join("modules.dep"))?;
        let needs: BTreeMap<&str, Vec<&str>> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(module, needs)| (module, needs.split_whitespace().collect()))
            .collect();
        let mut ordered = Vec::new();
        let mut seen = HashSet::new();
        for name in AT_BOOT.iter().chain(more) {
            let file = format!("/{name}.ko");
            if let Some(module) = needs.keys().find(|path| path.ends_with(&file)) {
                visit(module, &needs, &mut seen, &mut ordered);
            }
        }
        ordered
            .into_iter()
            .map(|path| Ok((path.to_owned(), fs::read(base.join(path))?)))
            .collect()
    }
}

fn visit<'a>(
    module: &'a str,
    needs: &BTreeMap<&'a str, Vec<&'a str>>,
    seen: &mut HashSet<&'a str>,
    ordered: &mut Vec<&'a str>,
) {
    if seen.insert(module) {
        for need in needs.get(module).into_iter().flatten().rev() {
            visit(need, needs, seen, ordered);
        }
        ordered.push(module);
    }
}
