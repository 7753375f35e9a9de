//! The temporary directory of one test, in which an actor acts while a sensor watches it.
#![expect(
    clippy::must_use_candidate,
    reason = "some want the file and not its path"
)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    act::{Act, Actor, actor_program},
    elf, programs,
    seen::Seen,
    sensor::Setup,
};

/// The temporary directory of one test.
#[derive(Debug)]
pub struct Scene(TempDir);

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// A new, empty directory, whose path has no symbolic links.
    ///
    /// # Panics
    /// If the directory cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let base = std::env::temp_dir()
            .canonicalize()
            .expect("there is a temporary directory");
        Self(tempfile::tempdir_in(base).expect("a temporary directory can be made"))
    }

    /// A path in the directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same path as a string.
    ///
    /// # Panics
    /// If the path is not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.path(name)
            .to_str()
            .expect("temporary paths are UTF-8")
            .to_owned()
    }

    /// Makes a directory with its parents.
    ///
    /// # Panics
    /// If the directory cannot be made.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        path
    }

    /// A tiny static program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.executable(name, elf::native())
    }

    /// Writes an executable file with that content.
    pub fn executable(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        programs::write(&path, content.as_ref());
        path
    }

    /// A copy of the actor under another name.
    pub fn actor(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        programs::copy(&actor_program(), &path);
        path
    }

    /// A symbolic link.
    ///
    /// # Panics
    /// If the link cannot be made.
    pub fn link(&self, name: &str, to: &Path) -> PathBuf {
        let path = self.path(name);
        symlink(to, &path).expect("a link can be made");
        path
    }

    /// Lets an actor take its steps while a sensor watches only the actor.
    #[must_use]
    pub fn act(&self, act: Act) -> Seen {
        self.act_under(act, |setup| setup).0
    }

    /// As [`Self::act`], with other settings; checks that the counters add up. Also returns what
    /// the actor printed, and its process id.
    #[must_use]
    pub fn act_under(
        &self,
        act: Act,
        settings: impl FnOnce(Setup) -> Setup,
    ) -> (Seen, String, u32) {
        let actor: Actor = act.start();
        let pid = actor.pid();
        let sensor = settings(Setup::watching(pid)).start();
        let printed = actor.go();
        let seen = sensor.stop();
        seen.counters().assert_complete();
        (seen, printed, pid)
    }

    /// As [`Self::act`], with a rule for failed execs too.
    #[must_use]
    pub fn act_and_fail(&self, act: Act) -> Seen {
        self.act_under(act, |setup| {
            setup.option("engine.modern_ebpf.drop_failed_exit", false)
        })
        .0
    }
}
