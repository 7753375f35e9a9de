//! The guest's root file system: busybox, the tests, and their libraries.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{cpio::Archive, kernel::Kernel};
use crate::{
    debian,
    machine::Machine,
    shell::{command, output},
};

/// The files for the guest.
pub(super) struct Payload {
    /// The processor of the guest.
    pub(super) machine: Machine,
    /// The root directories of systems with programs and libraries for this processor; the first
    /// that has a library counts.
    pub(super) roots: Vec<PathBuf>,
    /// Test programs.
    pub(super) tests: Vec<PathBuf>,
    /// Further programs in `/work`, the working directory.
    pub(super) programs: Vec<PathBuf>,
    /// Programs of the system.
    pub(super) system: Vec<PathBuf>,
    /// Further files, and where the guest has them.
    pub(super) files: Vec<(PathBuf, &'static str)>,
    /// Modules of the kernel, beside those of every guest.
    pub(super) modules: &'static [&'static str],
    /// How the guest mounts cgroups: `v1`, `hybrid` or `v2`.
    pub(super) cgroup: &'static str,
}

/// Builds the initial root file system for a kernel; it runs a shell script.
pub(super) fn build(kernel: &Kernel, payload: &Payload, script: &str) -> Result<Vec<u8>> {
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
    archive.copy(&debian::busybox(payload.machine)?, "/bin/busybox")?;
    let runs_here = debian::busybox(Machine::host())?;
    for applet in output(&mut command(&runs_here, &["--list"]))?.lines() {
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
    let (_, output) = payload.machine.output();
    for (file, text) in [("/vm/cgroup", payload.cgroup), ("/vm/output", output)] {
        archive.file(file, 0o644, format!("{text}\n").as_bytes());
    }
    archive.file(
        "/vm/command",
        0o755,
        format!("#!/bin/sh\n{script}\n").as_bytes(),
    );

    let mut modules = String::new();
    for (path, content) in kernel.modules(payload.modules)? {
        archive.file(
            &format!("/lib/modules/{}/{path}", kernel.release),
            0o644,
            &content,
        );
        modules.push_str(&path);
        modules.push('\n');
    }
    archive.file("/vm/modules", 0o644, modules.as_bytes());

    let mut libraries = Libraries::of(payload);
    for program in payload.tests.iter().chain(&payload.programs) {
        archive.copy(program, &format!("/work/{}", name_of(program)?))?;
        libraries.add_needs(program)?;
    }
    for program in &payload.system {
        archive.copy(program, &format!("/bin/{}", name_of(program)?))?;
        libraries.add_needs(program)?;
    }
    for (file, to) in &payload.files {
        archive.copy(file, to)?;
    }
    for (to, library) in &libraries.found {
        archive.copy(library, to)?;
    }
    Ok(archive.finish())
}

fn name_of(program: &Path) -> Result<Cow<'_, str>> {
    let name = program.file_name().context("a program has a name")?;
    Ok(name.to_string_lossy())
}

/// The shared libraries of programs.
struct Libraries<'a> {
    roots: &'a [PathBuf],
    directories: Vec<String>,
    /// Path in the guest, and path on this machine.
    found: BTreeMap<String, PathBuf>,
}

impl<'a> Libraries<'a> {
    fn of(payload: &'a Payload) -> Self {
        let triplet = payload.machine.triplet();
        Self {
            roots: &payload.roots,
            directories: vec![format!("/lib/{triplet}"), "/lib64".into(), "/lib".into()],
            found: BTreeMap::new(),
        }
    }

    /// Adds the libraries that a program or a library needs, and those that they need.
    fn add_needs(&mut self, program: &Path) -> Result<()> {
        let text = output(command("readelf", &["--wide", "--dynamic", "--segments"]).arg(program))?;
        let between = |line: &str, begin: &str| {
            let (_, rest) = line.split_once(begin)?;
            rest.split_once(']').map(|(name, _)| name.to_owned())
        };
        let interpreter = text
            .lines()
            .find_map(|line| between(line, "[Requesting program interpreter: "));
        let needed = text.lines().filter_map(|line| between(line, "(NEEDED)"));
        let needed = needed.filter_map(|name| Some(name.split_once('[')?.1.to_owned()));
        for name in interpreter.into_iter().chain(needed) {
            let (to, library) = self
                .find(&name)
                .with_context(|| format!("{} needs {name}", program.display()))?;
            if self.found.insert(to, library.clone()).is_none() {
                self.add_needs(&library)?;
            }
        }
        Ok(())
    }

    /// In Debian `/lib` is a link to `/usr/lib`, but packages may still use `/lib`; in the guest
    /// `/usr/lib` is a link to `/lib`.
    fn find(&self, name: &str) -> Option<(String, PathBuf)> {
        let places = if Path::new(name).is_absolute() {
            vec![name.to_owned()]
        } else {
            let in_directory = |directory| format!("{directory}/{name}");
            self.directories.iter().map(in_directory).collect()
        };
        places.into_iter().find_map(|to| {
            let here = [format!(".{to}"), format!("./usr{to}")];
            let in_roots = |path: &String| self.roots.iter().map(|root| root.join(path)).collect();
            let mut here = here.iter().flat_map::<Vec<PathBuf>, _>(in_roots);
            let found = here.find(|path| path.is_file())?;
            Some((to, found))
        })
    }
}
