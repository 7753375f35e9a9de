//! The state folder: what a run of the sensor leaves for the next one.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The format of the files. A sensor ignores files of another format.
const FORMAT: u32 = 1;

/// The name of the socket for observers.
const DOOR: &str = "observers.sock";

/// Name of the socket through which a sensor takes over.
const TAKEOVER: &str = "takeover.sock";
/// Name of the file whose lock says who has the folder.
const LOCK: &str = "lock";

/// Most bytes of a file that are written or read.
const MOST: usize = 64 << 20;

/// Why the state folder, or a file in it, is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder cannot be made or used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Others could put something into the folder.
    #[error("{}: another user owns the folder or may write to it: give it to the sensor's user, with mode 0700", .0.display())]
    Open(PathBuf),
    /// Another sensor has the folder.
    #[error("{}: another sensor of that sensor.instance uses it", .0.display())]
    Taken(PathBuf),
    /// A file cannot be written or read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// A file is no file of this format, or is cut.
    #[error("{}: not a file of this version of the sensor: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What is to be kept has too many bytes.
    #[error("{}: {bytes} bytes, more than the {MOST} that are kept", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The number of bytes.
        bytes: usize,
    },
}

/// The folder of one `sensor.instance` in `sensor.state_dir`. It belongs to this value as long as
/// the value lives: a second sensor does not get it.
///
/// Each file is one JSON object, `{"format": 1, "content": …}`, and has mode 0600. A file is
/// replaced as a whole, by rename.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    /// Who holds it has the folder; none while another sensor does.
    lock: Option<File>,
}

/// What is around the content of a file.
#[derive(Deserialize, Serialize)]
struct Envelope<T> {
    format: u32,
    content: T,
}

/// The envelope alone.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl StateFolder {
    /// Makes the folder where it is missing, and takes it.
    ///
    /// # Errors
    /// If the folder cannot be made, if others may write to it, or if another sensor has it.
    pub fn take(root: &Path, instance: &str) -> Result<Self, StateError> {
        let mut folder = Self::of_another(root, instance)?;
        if folder.try_to_take()? {
            Ok(folder)
        } else {
            Err(StateError::Taken(folder.path))
        }
    }

    /// The folder of a sensor that runs: this process only reads in it until it takes the folder.
    ///
    /// # Errors
    /// If the folder cannot be made, or if others may write to it.
    pub fn of_another(root: &Path, instance: &str) -> Result<Self, StateError> {
        let path = root.join(name_of(instance));
        let wrong = |source: io::Error| StateError::Folder {
            path: path.clone(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&path).map_err(wrong)?;
        let metadata = fs::symlink_metadata(&path).map_err(wrong)?;
        let own = rustix::process::geteuid().as_raw();
        if !metadata.is_dir() || metadata.uid() != own || metadata.mode() & 0o022 != 0 {
            return Err(StateError::Open(path));
        }
        Ok(Self { path, lock: None })
    }

    /// Takes the folder if no other sensor has it; returns whether this process has it now.
    ///
    /// # Errors
    /// If the kernel refuses the lock.
    pub fn try_to_take(&mut self) -> Result<bool, StateError> {
        let wrong = |source: io::Error| StateError::Folder {
            path: self.path.clone(),
            source,
        };
        let lock = create(&self.path.join(LOCK)).map_err(wrong)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => self.lock = Some(lock),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(wrong(error.into())),
        }
        Ok(self.lock.is_some())
    }

    /// Takes the folder with the lock of the sensor that has it: when that sensor ends, no third
    /// one gets the folder.
    ///
    /// # Errors
    /// If the descriptor is not that of the lock.
    pub fn take_with(&mut self, lock: OwnedFd) -> Result<(), StateError> {
        let (lock, path) = (File::from(lock), self.path.join(LOCK));
        let id = |file: fs::Metadata| (file.dev(), file.ino());
        let both = lock.metadata().and_then(|of_lock| {
            let of_path = fs::symlink_metadata(&path)?;
            Ok((id(of_lock), id(of_path)))
        });
        match both {
            Ok((one, other)) if one == other => {
                self.lock = Some(lock);
                Ok(())
            }
            Ok(_) => Err(StateError::Taken(self.path.clone())),
            Err(source) => Err(StateError::File { path, source }),
        }
    }

    /// The lock, for [`Self::take_with`].
    #[must_use]
    pub fn lock(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(AsFd::as_fd)
    }

    /// The path of the door through which a sensor takes over.
    #[must_use]
    pub fn takeover_door(&self) -> PathBuf {
        self.path.join(TAKEOVER)
    }

    /// The path of the door for observers.
    #[must_use]
    pub fn door(&self) -> PathBuf {
        self.path.join(DOOR)
    }

    /// The path of the door for observers of a sensor of that instance.
    #[must_use]
    pub fn door_of(root: &Path, instance: &str) -> PathBuf {
        root.join(name_of(instance)).join(DOOR)
    }

    /// Replaces the file of that name by one with this content, which is on the disk when the
    /// function returns.
    ///
    /// # Errors
    /// If the file cannot be written; the former one is there still.
    pub fn keep<T: Serialize>(&self, name: &str, content: &T) -> Result<(), StateError> {
        self.replace(name, content, true)
    }

    /// Like [`Self::keep`], without a wait for the disk: the file survives the end of the process,
    /// and not always that of the machine.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn note<T: Serialize>(&self, name: &str, content: &T) -> Result<(), StateError> {
        self.replace(name, content, false)
    }

    fn replace<T: Serialize>(
        &self,
        name: &str,
        content: &T,
        durable: bool,
    ) -> Result<(), StateError> {
        let path = self.file(name);
        let envelope = Envelope {
            format: FORMAT,
            content,
        };
        let wrong = |source: io::Error| StateError::File {
            path: path.clone(),
            source,
        };
        let bytes = serde_json::to_vec(&envelope).map_err(|error| wrong(error.into()))?;
        if bytes.len() > MOST {
            return Err(StateError::TooLarge {
                bytes: bytes.len(),
                path,
            });
        }
        let new = path.with_extension("new");
        let write = || {
            let mut file = create(&new)?;
            file.set_len(0)?;
            file.write_all(&bytes)?;
            if durable {
                file.sync_data()?;
            }
            fs::rename(&new, &path)?;
            if durable {
                File::open(&self.path)?.sync_all()?;
            }
            Ok(())
        };
        write().map_err(wrong)
    }

    /// The content of the file of that name; none if no run has left one.
    ///
    /// # Errors
    /// If the file cannot be read, or if a version of the sensor with another format wrote it.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let path = self.file(name);
        let unreadable = |reason: String| StateError::Unreadable {
            path: path.clone(),
            reason,
        };
        let mut bytes = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(MOST as u64 + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() > MOST => return Err(unreadable("too large".into())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::File { path, source }),
        }
        let format: Format =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if format.format != FORMAT {
            return Err(unreadable(format!("it has format {}", format.format)));
        }
        match serde_json::from_slice::<Envelope<T>>(&bytes) {
            Ok(envelope) => Ok(Some(envelope.content)),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.json"))
    }
}

/// Opens a file for writing, and creates it if it is missing.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// The instance's name as the name of one folder.
fn name_of(instance: &str) -> String {
    match instance {
        "." | ".." => "_".to_owned(),
        name => name.replace(['/', '\0'], "_"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn root() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn the_next_run_reads_what_the_former_one_has_kept() {
        let root = root();
        let folder = StateFolder::take(root.path(), "a").unwrap();
        assert_eq!(folder.read::<u32>("n").unwrap(), None);
        folder.keep("n", &1).unwrap();
        folder.note("n", &2).unwrap();
        drop(folder);
        let folder = StateFolder::take(root.path(), "a").unwrap();
        assert_eq!(folder.read::<u32>("n").unwrap(), Some(2));
        let mode = |path: &str| {
            let metadata = fs::metadata(root.path().join(path)).unwrap();
            metadata.permissions().mode() & 0o7777
        };
        assert_eq!((mode("a"), mode("a/n.json")), (0o700, 0o600));
        assert!(!root.path().join("a/n.new").exists());
    }

    #[test]
    fn two_sensors_never_share_a_folder() {
        let root = root();
        let first = StateFolder::take(root.path(), "a").unwrap();
        let second = StateFolder::take(root.path(), "a");
        assert!(matches!(second, Err(StateError::Taken(_))), "{second:?}");
        let other = StateFolder::take(root.path(), "b").unwrap();
        first.keep("n", &1).unwrap();
        assert_eq!(other.read::<u32>("n").unwrap(), None);
    }

    #[test]
    fn an_instance_with_slashes_stays_in_the_directory() {
        let root = root();
        let folder = StateFolder::take(root.path(), "../x/y").unwrap();
        assert_eq!(folder.path, root.path().join(".._x_y"));
        let folder = StateFolder::take(root.path(), "..").unwrap();
        assert_eq!(folder.path, root.path().join("_"));
    }

    #[test]
    fn a_file_that_is_cut_or_of_another_format_is_an_error_and_can_be_replaced() {
        let root = root();
        let folder = StateFolder::take(root.path(), "a").unwrap();
        for (text, reason) in [
            (r#"{"format":2,"content":1}"#, "it has format 2"),
            (r#"{"format":1,"cont"#, "EOF"),
            (r#"{"format":1,"content":"x"}"#, "invalid type"),
            ("", "EOF"),
        ] {
            fs::write(root.path().join("a/n.json"), text).unwrap();
            let error = folder.read::<u32>("n").unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        folder.keep("n", &1).unwrap();
        assert_eq!(folder.read::<u32>("n").unwrap(), Some(1));
    }

    #[test]
    fn a_folder_to_which_others_may_write_is_refused() {
        let root = root();
        let path = root.path().join("a");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let error = StateFolder::take(root.path(), "a").unwrap_err();
        assert!(error.to_string().contains("mode 0700"), "{error}");
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let error = StateFolder::take(&file, "a").unwrap_err();
        assert!(matches!(error, StateError::Folder { .. }), "{error}");
    }
}
