//! A unix socket in the state folder.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

/// The name of a socket at which this process listens, for its own user alone. Dropping the value
/// removes the name, unless another process has put its own socket there.
#[derive(Debug)]
pub struct SocketName {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketName {
    /// Listens at that path. Replaces what a process that has ended left there.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn listen(path: &Path) -> io::Result<(UnixListener, Self)> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let name = Self {
            path: path.to_owned(),
            id: id(path)?,
        };
        Ok((listener, name))
    }
}

impl Drop for SocketName {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            // If somebody has removed the socket meanwhile, nothing is left to do.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode.
fn id(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_goes_with_its_owner_and_stays_with_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let (_former, name) = SocketName::listen(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (_next, next_name) = SocketName::listen(&path).unwrap();
        drop(name);
        assert!(path.exists());
        drop(next_name);
        assert!(!path.exists());
    }
}
