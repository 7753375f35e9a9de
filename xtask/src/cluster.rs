//! A real Kubernetes for the tests: builds its programs, runs the tests in it, keeps one for a look.
//!
//! The programs come from the Go module proxy (`tests/cluster/`) and from Debian (etcd, containerd);
//! `tests/src/cluster/` starts them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};

use crate::{
    image, setup,
    shell::{
        as_root, cache, command, has, left_out, output, root, run, say, target, workspace_cargo,
    },
};

/// Files that determine the programs.
const SOURCES: [&str; 3] = ["go.mod", "go.sum", "kube/main.go"];
/// The parts of a cluster that one program is, by the name it is called with.
const PARTS: [&str; 5] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubectl",
];
/// A soft limit of the memory of each process of the build.
const MEMORY: &str = "1500MiB";
/// The first version of Go that fetches the version which a module asks for.
const OLDEST_GO: u32 = 21;

/// What a cluster is made of.
pub(crate) struct Materials {
    /// Folder of the programs.
    pub(crate) programs: PathBuf,
    /// Archive of the sensor's image.
    pub(crate) image: PathBuf,
}

impl Materials {
    /// Names them to a command.
    pub(crate) fn name_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("SENSOR_CLUSTER", &self.programs)
            .env("SENSOR_IMAGE", &self.image)
    }
}

/// `cargo xtask cluster`: starts a cluster, and ends it with this command.
pub(crate) fn keep() -> Result<()> {
    let Some(materials) = materials()? else {
        return Ok(());
    };
    run(&mut workspace_cargo("build", &["--bin", "cluster"]))?;
    let settings = [
        format!("SENSOR_CLUSTER={}", materials.programs.display()),
        format!("SENSOR_IMAGE={}", materials.image.display()),
        target().join("debug/cluster").display().to_string(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    // Not `run`, which would print every few seconds that a cluster runs.
    let mut cluster = as_root("env", &settings);
    let status = cluster.status().context("cannot start the cluster")?;
    ensure!(status.success(), "the cluster ended with {status}");
    Ok(())
}

/// Builds what is missing. None, after a line that says why, where the machine lacks Go or etcd.
///
/// # Errors
/// If a build fails; with `CI=true` also if the machine lacks something.
pub(crate) fn materials() -> Result<Option<Materials>> {
    let Some(programs) = programs_if_possible()? else {
        return Ok(None);
    };
    Ok(Some(Materials {
        programs,
        image: image::of_this_machine()?,
    }))
}

/// The folder of the programs of Kubernetes, built if the cache lacks them. None, after a line that
/// says why, where the machine lacks Go or etcd.
///
/// # Errors
/// If the build fails; with `CI=true` also if the machine lacks something.
pub(crate) fn programs_if_possible() -> Result<Option<PathBuf>> {
    let Some(go) = go() else {
        left_out("a real Kubernetes, which needs Go 1.21 or later to be built")?;
        return Ok(None);
    };
    if let Err(error) = setup::install_for_cluster() {
        left_out(format_args!("a real Kubernetes: {error:#}"))?;
        return Ok(None);
    }
    programs(&go).map(Some)
}

/// Go, in `PATH` or where its archive is unpacked to.
fn go() -> Option<PathBuf> {
    let usual = Path::new("/usr/local/go/bin/go");
    let go = if has("go") { Path::new("go") } else { usual };
    let version = output(&mut command(go, &["env", "GOVERSION"])).ok()?;
    (minor(&version)? >= OLDEST_GO).then(|| go.to_owned())
}

/// The second number of a version of Go: 26 of `go1.26.8`.
fn minor(version: &str) -> Option<u32> {
    let number = version.strip_prefix("go1.")?;
    let end = number.find(|c: char| !c.is_ascii_digit());
    number[..end.unwrap_or(number.len())].parse().ok()
}

/// The folder of the cluster's programs; builds them if the cache lacks them.
fn programs(go: &Path) -> Result<PathBuf> {
    let module = root().join("tests/cluster");
    let (version, name) = version(&module)?;
    let cache = cache("SENSOR_CLUSTER_CACHE", "sensor-cluster")?;
    let folder = cache.join(name);
    fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
    let lock = fs::File::create(cache.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive).context("the lock of the cache")?;
    if folder.exists() {
        return Ok(folder);
    }
    say(format_args!(
        "building Kubernetes {version} and helm (minutes; kept in {})",
        folder.display()
    ));
    let begin = Instant::now();
    let new = cache.join("new");
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    fs::create_dir(&new)?;
    let number = version.trim_start_matches("v1.");
    let variable = "-X k8s.io/component-base/version";
    let stamp = format!(
        "-s -w {variable}.gitVersion={version} {variable}.gitMajor=1 {variable}.gitMinor={}",
        number.split('.').next().unwrap_or_default()
    );
    for (program, package, flags) in [
        ("kube", "./kube", stamp.as_str()),
        ("helm", "helm.sh/helm/v3/cmd/helm", "-s -w"),
    ] {
        let mut build = command("nice", &["-n", "10"]);
        build
            .arg(go)
            .args(["build", "-mod=readonly", "-trimpath", "-o"]);
        build
            .arg(new.join(program))
            .arg(format!("-ldflags={flags}"));
        build.arg(package).current_dir(&module);
        run(build.env("CGO_ENABLED", "0").env("GOMEMLIMIT", MEMORY))?;
    }
    for part in PARTS {
        std::os::unix::fs::symlink("kube", new.join(part))?;
    }
    fs::rename(&new, &folder).with_context(|| folder.display().to_string())?;
    say(format_args!("built in {} s", begin.elapsed().as_secs()));
    Ok(folder)
}

/// The version of Kubernetes that a module has, and the name of its programs in the cache.
fn version(module: &Path) -> Result<(String, String)> {
    let mut hash = Sha256::new();
    let mut version = None;
    for file in SOURCES {
        let path = module.join(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        version = version.or_else(|| kubernetes(&text).map(str::to_owned));
        hash.update(&text);
    }
    let version = version.context("go.mod does not name k8s.io/kubernetes")?;
    let hash = hash.finalize();
    let short = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let name = format!("{version}-{}-{short:08x}", env::consts::ARCH);
    Ok((version, name))
}

/// The version of Kubernetes in the text of a `go.mod`.
fn kubernetes(module: &str) -> Option<&str> {
    let line = module
        .lines()
        .find(|line| line.contains("k8s.io/kubernetes v"))?;
    line.split_whitespace().last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_go_is_read() {
        assert_eq!(minor("go1.26.8"), Some(26));
        assert_eq!(minor("go1.21"), Some(21));
        assert_eq!(minor("go1.27rc1"), Some(27));
        assert_eq!(minor("devel"), None);
    }

    #[test]
    fn the_cache_is_named_by_the_version_of_kubernetes() -> Result<()> {
        let (version, name) = version(&root().join("tests/cluster"))?;
        ensure!(version.starts_with("v1."), "{version}");
        ensure!(name.starts_with(&version), "{name}");
        Ok(())
    }
}
