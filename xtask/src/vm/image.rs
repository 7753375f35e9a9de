//! The guest's root: busybox, the tests, and the libraries they need.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{cpio::Archive, kernel};
use crate::shell::{command, output};

/// What is to run in the guest.
pub(super) struct Payload {
    /// Test programs, beside the others.
    pub(super) tests: Vec<PathBuf>,
    /// Programs that are put into `/work`, the working directory.
    pub(super) programs: Vec<PathBuf>,
    /// Programs of the system that are put where they are here.
    pub(super) system: Vec<PathBuf>,
    /// `v1`, `hybrid` or `v2`.
    pub(super) cgroup: &'static str,
}

/// Builds the initial root for a kernel, in which a shell script is run.
pub(super) fn build(kernel: &kernel::Kernel, payload: &Payload, script: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for path in [
        "/dev", "/etc", "/mnt", "/proc", "/root", "/run", "/sys", "/tmp", "/usr", "/var", "/work",
    ] {
        archive.directory(path);
    }
    for (link, to) in [
        ("/sbin", "bin"),
        ("/usr/bin", "../bin"),
        ("/usr/sbin", "../bin"),
    ] {
        archive.link(link, to);
    }
    for (link, to) in [
        ("/usr/lib", "../lib"),
        ("/var/tmp", "../tmp"),
        ("/var/run", "../run"),
    ] {
        archive.link(link, to);
    }
    let busybox = kernel::cache()?.join("busybox");
    archive.copy(&busybox, "/bin/busybox")?;
    for applet in output(&mut command(&busybox, &["--list"]))?.lines() {
        if applet != "busybox" {
            archive.link(&format!("/bin/{applet}"), "busybox");
        }
    }
    archive.file(
        "/etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    );
    archive.file("/etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n");
    archive.file("/init", 0o755, include_bytes!("../../vm/init.sh"));
    archive.file(
        "/vm/cgroup",
        0o644,
        format!("{}\n", payload.cgroup).as_bytes(),
    );
    archive.file(
        "/vm/command",
        0o755,
        format!("#!/bin/sh\n{script}\n").as_bytes(),
    );

    let mut modules = String::new();
    for (path, content) in kernel.modules()? {
        archive.file(
            &format!("/lib/modules/{}/{path}", kernel.release),
            0o644,
            &content,
        );
        modules.push_str(&path);
        modules.push('\n');
    }
    archive.file("/vm/modules", 0o644, modules.as_bytes());

    let mut libraries = BTreeSet::new();
    for program in payload.tests.iter().chain(&payload.programs) {
        let name = program
            .file_name()
            .context("a program has a name")?
            .to_string_lossy();
        archive.copy(program, &format!("/work/{name}"))?;
        libraries.extend(libraries_of(program));
    }
    for program in &payload.system {
        let name = program
            .file_name()
            .context("a program has a name")?
            .to_string_lossy();
        archive.copy(program, &format!("/bin/{name}"))?;
        libraries.extend(libraries_of(program));
    }
    for library in libraries {
        // `/usr/lib` is a link to `/lib` in the guest.
        let to = library.to_string_lossy().replacen("/usr/lib", "/lib", 1);
        archive.copy(&library, &to)?;
    }
    Ok(archive.finish())
}

/// The shared libraries of a program (none, if it is static).
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let text = output(command("ldd", &[]).arg(program)).unwrap_or_default();
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    words
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .collect()
}
