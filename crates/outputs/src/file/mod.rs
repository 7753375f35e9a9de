//! A file, on a local disk or on a share that stalls, fills up and goes away.
//!
//! ```text
//! Queue ──▶ Window ──writev──▶ file ──fdatasync──▶ confirmed
//!   │ ▲        lines written but not confirmed are kept, and written again
//!   ▼ │        where the file turns out not to have them
//!  Disk        optional spool in a local directory, moved by its own thread
//! ```
//!
//! The capture thread never waits for any of these: the queue is bounded, and the output counts
//! every line for which the queue has no room, and announces the loss at that place in the file.

mod append;
mod closing;
mod disk;
mod former_run;
mod header;
mod mount_guard;
mod open;
mod paths;
mod rotate;
mod segment;
mod target;
mod window;
mod writer;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
};

use tracing::warn;

pub use append::append;

use config::{Config, Mode, Owner, Rotate};
use telemetry::Identity;

use super::{OutputError, Queue, worker::Worker};

/// How long the start waits for the file: a share that stalls must not delay the sensor.
const START_PATIENCE: Duration = Duration::from_secs(3);
/// How long lines gather after a write: few system calls under load, no delay when idle.
const GATHER: Duration = Duration::from_millis(20);
/// The same time with `buffered_outputs`.
const GATHER_BUFFERED: Duration = Duration::from_millis(900);

/// How the file is written.
#[derive(Clone, Debug)]
struct Options {
    mode: Mode,
    owner: Option<Owner>,
    rotate: Rotate,
    sync: Option<Duration>,
    keep_alive: bool,
    gather: Duration,
    spool: Option<(PathBuf, u64)>,
    memory: u64,
}

/// Whether the file can be opened, as far as that is known in time.
///
/// # Errors
/// If the file cannot be opened for a lasting reason.
pub(super) fn try_to_open(config: &Config, identity: &Identity) -> Result<(), OutputError> {
    let (mode, owner) = {
        let tuning = &config.sensor.file_output;
        (tuning.mode, tuning.owner)
    };
    let path = identity.expand(&config.file_output.filename);
    let (opened, outcome) = mpsc::sync_channel(1);
    let its = path.clone();
    std::thread::Builder::new()
        .name("out-try".into())
        // Nobody waits any more where the file system has stalled.
        .spawn(move || drop(opened.send(append(&its, mode, owner, b""))))
        .map_err(|source| OutputError::Thread {
            name: "file",
            source,
        })?;
    match outcome.recv_timeout(START_PATIENCE) {
        Ok(Err(source)) => match open::remedy(&source) {
            Some(hint) => Err(OutputError::File { path, source, hint }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Starts the threads of the file output.
///
/// # Errors
/// If the file cannot be opened for a lasting reason.
pub(super) fn start(
    config: &Config,
    identity: &Arc<Identity>,
    queue: &Arc<Queue>,
) -> Result<Vec<Worker>, OutputError> {
    let tuning = &config.sensor.file_output;
    let path = identity.expand(&config.file_output.filename);
    let wrong = |source, hint| OutputError::File {
        path: path.clone(),
        source,
        hint,
    };
    let paths = paths::Paths::new(path.clone()).ok_or_else(|| {
        wrong(
            io::ErrorKind::InvalidInput.into(),
            "file_output.filename must end with a file name",
        )
    })?;
    let options = Options {
        mode: tuning.mode,
        owner: tuning.owner,
        rotate: tuning.rotate.clone(),
        sync: tuning.sync.some(),
        keep_alive: config.file_output.keep_alive,
        gather: if config.buffered_outputs {
            GATHER_BUFFERED
        } else {
            GATHER
        },
        spool: tuning
            .spool
            .directory
            .clone()
            .map(|directory| (identity.expand(&directory), tuning.spool.size.0)),
        memory: tuning.spool.memory.0,
    };
    let disk = match &options.spool {
        Some((directory, size)) => Some(Arc::new(
            disk::Disk::open(directory, &paths, *size).map_err(|source| OutputError::File {
                path: directory.clone(),
                source,
                hint: "name a local directory that the sensor can write in sensor.file_output.spool.directory",
            })?,
        )),
        None => None,
    };
    let (opened, outcome) = mpsc::sync_channel(1);
    let mut workers = Vec::new();
    let writer = writer::Writer::new(
        paths,
        options.clone(),
        Arc::clone(identity),
        Arc::clone(queue),
        disk.clone(),
    );
    workers.push(Worker::spawn("out-file", queue, move || {
        writer.run(&opened);
    })?);
    match outcome.recv_timeout(START_PATIENCE) {
        Ok(Err((source, hint))) => return Err(wrong(source, hint)),
        Ok(Ok(())) => {}
        Err(_) => warn!(
            "{}: does not answer; lines wait until it does",
            path.display()
        ),
    }
    if let Some(disk) = disk {
        let queue_ = Arc::clone(queue);
        let threshold = options.memory / 2;
        workers.push(Worker::spawn("out-spool", queue, move || {
            disk.run(&queue_, threshold);
        })?);
    }
    Ok(workers)
}
