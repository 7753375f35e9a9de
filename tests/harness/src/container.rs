//! A container of runc, without a container engine.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{Act, Scene, programs};

/// A container id of 64 hexadecimal digits, as container engines make it. No other container on the
/// machine has the same id, nor the same first twelve digits, which Falco shows.
///
/// The id is random and not made from a process id: cgroups are one tree for all pid namespaces,
/// and the kernel uses process ids again.
#[must_use]
pub fn id() -> String {
    let part = || RandomState::new().hash_one(());
    format!(
        "{:016x}{:016x}{:016x}{:016x}",
        part(),
        part(),
        part(),
        part()
    )
}

/// A bundle of runc: a root file system in a scene's directory, and its configuration.
#[derive(Debug)]
pub struct Container {
    id: String,
    directory: PathBuf,
}

impl Container {
    /// A container whose first process is `argv`; [`Self::add`] adds the programs.
    ///
    /// # Panics
    /// If its files cannot be written.
    #[must_use]
    pub fn new(scene: &Scene, argv: &[&str]) -> Self {
        let id = id();
        let directory = scene.directory(&id);
        for name in ["bin", "dev", "etc", "proc", "tmp"] {
            scene.directory(&format!("{id}/rootfs/{name}"));
        }
        let container = Self { id, directory };
        let config = container.config(argv);
        fs::write(container.directory.join("config.json"), config.to_string())
            .expect("a bundle's configuration can be written");
        container
    }

    /// The full id of the container, which is also the name of its cgroup.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first twelve digits of the id, as Falco shows them.
    #[must_use]
    pub fn short_id(&self) -> &str {
        &self.id[..12]
    }

    /// A path in the container's root file system.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join("rootfs").join(name)
    }

    /// Copies a program of this machine into the container, which has the machine's libraries.
    pub fn add(&self, name: &str, from: &Path) {
        programs::copy(from, &self.path(name));
    }

    /// Copies a program into the container under another path.
    pub fn write(&self, name: &str, content: &[u8]) {
        programs::write(&self.path(name), content);
    }

    /// A step of the actor: runs the container until its first process ends.
    #[must_use]
    pub fn run(&self, act: Act) -> Act {
        act.just("fork").and(self.exec())
    }

    /// A step of the actor: starts the container, and goes on with the next steps.
    #[must_use]
    pub fn run_beside(&self, act: Act) -> Act {
        act.beside(self.exec())
    }

    fn exec(&self) -> Act {
        let bundle = self.directory.to_string_lossy();
        let state = self.state();
        let argv = [
            "runc", "--root", &state, "run", "--bundle", &bundle, &self.id,
        ];
        Act::new().exec(runc(), argv)
    }

    fn state(&self) -> String {
        self.directory.join("state").to_string_lossy().into_owned()
    }

    fn config(&self, argv: &[&str]) -> Value {
        let mut mounts = vec![
            json!({"destination": "/proc", "type": "proc", "source": "proc"}),
            json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}),
        ];
        for library in ["/lib", "/lib64", "/usr/lib"] {
            if Path::new(library).exists() {
                mounts.push(json!({
                    "destination": library, "type": "bind", "source": library, "options": ["rbind", "ro"],
                }));
            }
        }
        let namespaces = ["pid", "mount", "ipc", "uts", "network"];
        let namespaces: Vec<_> = namespaces
            .iter()
            .map(|name| json!({"type": name}))
            .collect();
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": argv,
                "env": ["PATH=/bin"],
                "cwd": "/",
            },
            "root": {"path": "rootfs"},
            "hostname": "container",
            "mounts": mounts,
            "linux": {"namespaces": namespaces, "cgroupsPath": format!("/{}", self.id)},
        })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The container ends with the actor; this line is for tests that fail earlier.
        let mut delete = Command::new(runc());
        delete.args(["--root", &self.state(), "delete", "--force", &self.id]);
        let _ = delete.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// The path of runc.
fn runc() -> &'static str {
    const PATHS: [&str; 3] = ["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"];
    PATHS
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("runc is installed: `cargo xtask setup --tests`")
}
