//! The licence texts of everything in the binary, each text once.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::packages::Packages;
use crate::shell::root;

/// Beginnings of the names of licence files, in capitals.
const NAMES: &[&str] = &[
    "LICENSE",
    "LICENCE",
    "COPYING",
    "NOTICE",
    "UNLICENSE",
    "COPYRIGHT",
];

/// Where Debian has the licence of the C library in the binary (LGPL 2.1; the sources of this
/// program are available, as it demands).
const GLIBC: &str = "/usr/share/doc/libc6-dev/copyright";

/// One text: for each distinct licence the packages under it, then its text.
pub(super) fn text(packages: &Packages) -> Result<Vec<u8>> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut declared = String::new();
    for package in packages.values() {
        let name = format!("{} {}", package.name, package.version);
        let directory = if package.foreign {
            package.directory.as_path()
        } else {
            root()
        };
        let files = files_in(directory)?;
        if files.is_empty() {
            let licence = package.licence.as_deref().unwrap_or("not declared");
            writeln!(declared, "  {name}: {licence}")?;
        }
        for file in files {
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let words = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            texts.entry(words).or_default().push(name.clone());
        }
    }
    if let Ok(words) = fs::read_to_string(GLIBC) {
        texts.entry(words).or_default().push("GNU C Library".into());
    }

    let mut out = String::from("Licences of what is linked into this program.\n");
    if !declared.is_empty() {
        writeln!(out, "\nWithout a text of their own:\n{declared}")?;
    }
    for (words, users) in texts {
        let rule = "=".repeat(80);
        writeln!(
            out,
            "\n{rule}\n{}\n{rule}\n\n{}",
            users.join(", "),
            words.trim_end()
        )?;
    }
    Ok(out.into_bytes())
}

/// Licence files directly in a directory, sorted.
fn files_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if NAMES.iter().any(|begin| name.starts_with(begin)) && entry.path().is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::text;
    use crate::image::packages::{Package, Packages};

    #[test]
    fn a_text_that_two_share_stands_once_with_both_names() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut packages = Packages::new();
        for name in ["a", "b", "c"] {
            let own = directory.path().join(name);
            fs::create_dir(&own).expect("writable");
            if name != "c" {
                fs::write(own.join("LICENSE-MIT"), "be nice\r\n").expect("writable");
            }
            packages.insert(
                (name.into(), "1.0.0".into()),
                Package {
                    name: name.into(),
                    version: "1.0.0".into(),
                    licence: Some("MIT".into()),
                    directory: own,
                    foreign: true,
                    uses: std::collections::BTreeSet::default(),
                },
            );
        }
        let all = String::from_utf8(text(&packages).expect("readable")).expect("text");
        assert_eq!(all.matches("be nice").count(), 1, "{all}");
        assert!(all.contains("a 1.0.0, b 1.0.0"), "{all}");
        assert!(all.contains("  c 1.0.0: MIT"), "{all}");
    }
}
