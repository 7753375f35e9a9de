//! Rotation: renames the file and begins the next one.

use std::{
    io,
    sync::atomic::Ordering::Relaxed,
    time::{Instant, SystemTime},
};

use tracing::warn;

use super::{
    open::{FileId, open},
    target::{ROTATE_AGAIN, Target},
};

impl Target {
    pub(super) fn rotate_if_due(&mut self) -> io::Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let now = Instant::now();
        if now < self.rotate_from || !self.window.at_line_start() || self.window.header_pending() {
            return Ok(());
        }
        let size = open.base + self.window.written() as u64;
        let rotate = &self.options.rotate;
        let too_big = rotate.size.0 > 0 && size >= rotate.size.0;
        let age = SystemTime::now()
            .duration_since(open.created)
            .unwrap_or_default();
        let too_old = rotate.age.some().is_some_and(|most| age >= most) && self.window.lines() > 0;
        if !too_big && !too_old {
            return Ok(());
        }
        self.sync()?;
        if self.open.is_none() {
            return self.ensure_open();
        }
        if let Err(error) = self.rotate(if too_big { "size" } else { "age" }) {
            self.rotate_from = now + ROTATE_AGAIN;
            self.account.errors.fetch_add(1, Relaxed);
            warn!(
                "{}: cannot be put aside ({error}); going on with it, next attempt in {} s",
                self.paths.path.display(),
                ROTATE_AGAIN.as_secs()
            );
        }
        Ok(())
    }

    /// Renames the file and begins the next one. The next file exists before the old one is
    /// renamed: if it cannot be created, nothing has changed.
    fn rotate(&mut self, reason: &'static str) -> io::Result<()> {
        let Some(old) = &self.open else {
            return Ok(());
        };
        let next = self.paths.next();
        let meta = std::fs::symlink_metadata(&self.paths.path)?;
        if FileId::of(&meta) != old.id {
            return Err(io::Error::other("the path is another file"));
        }
        match std::fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let opened = open(&next, self.options.mode, self.options.owner)?;
        let aside = self.paths.aside(old.number);
        if aside.try_exists()? {
            return Err(io::Error::other(format!("{} exists", aside.display())));
        }
        std::fs::rename(&self.paths.path, &aside)?;
        std::fs::rename(&next, &self.paths.path)?;
        self.number = self.number.max(old.number);
        self.open = None;
        self.last = None;
        self.account.rotations.fetch_add(1, Relaxed);
        self.begin(opened, reason)?;
        self.prune();
        Ok(())
    }

    /// Removes the oldest rotated files.
    fn prune(&self) {
        let keep = self.options.rotate.keep as usize;
        if keep == 0 {
            return;
        }
        let numbers = self.paths.numbers().unwrap_or_default();
        for number in &numbers[..numbers.len().saturating_sub(keep)] {
            let path = self.paths.aside(*number);
            if let Err(error) = std::fs::remove_file(&path) {
                warn!("{}: cannot be removed: {error}", path.display());
            }
        }
    }
}
