//! The events of this machine for `sensor watch`: from the running sensor, or from a sensor that records
//! for this view alone.

use std::{
    io::{self, Read},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use anyhow::{Context as _, anyhow};
use config::Config;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cli::Args,
    lifecycle::StateFolder,
    observers::{self, WantedEvents},
};

/// The source of a view; dropping it ends a sensor that records for the view.
pub(super) enum Live {
    /// The running sensor.
    Attached,
    /// A sensor of our own, and the thread that reads its log.
    Own(Child, Option<JoinHandle<String>>),
}

/// A recording that goes on, with the name of its source.
pub(super) type Opened = (Box<dyn Read + Send>, String, Live);

/// Attaches to the running sensor of the configured instance, or starts a sensor that records
/// everything.
pub(super) fn open(config: &Config, args: &Args, wants: WantedEvents) -> anyhow::Result<Opened> {
    let sensor = &config.sensor;
    let door = StateFolder::door_of(&sensor.state_dir, &sensor.instance);
    match observers::attach(&door, wants) {
        Ok((_, stream)) => {
            let name = "the running sensor".to_owned();
            Ok((Box::new(stream), name, Live::Attached))
        }
        Err(error) if is_nobody(&error) => own(args),
        Err(error) => Err(anyhow!(error).context(format!("cannot attach to {}", door.display()))),
    }
}

/// Whether no sensor listens.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn own(args: &Args) -> anyhow::Result<Opened> {
    let mut command = Command::new("/proc/self/exe");
    command.args(["record", "-"]);
    if let Some(path) = &args.config {
        command.arg("-c").arg(path);
    }
    for option in &args.overrides {
        command.arg("-o").arg(option);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .context("cannot start a sensor that records")?;
    let bytes = child.stdout.take().context("the sensor has no output")?;
    // The log must not fill the pipe; its last error says why the sensor ended.
    let log = child.stderr.take().map(|mut from| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = from.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let name = "this machine (no sensor runs)".to_owned();
    Ok((Box::new(bytes), name, Live::Own(child, log)))
}

impl Live {
    /// The reason why the source gave no recording.
    pub(super) fn explain(mut self, error: anyhow::Error) -> anyhow::Error {
        let Self::Own(child, log) = &mut self else {
            return error;
        };
        let _ = child.wait();
        let log = log.take().and_then(|log| log.join().ok());
        let log = log.unwrap_or_default();
        match log.lines().rfind(|line| line.contains("Error: ")) {
            Some(line) => {
                let text = line.split_once("Error: ").map_or(line, |(_, text)| text);
                anyhow!("{text}")
            }
            None => error,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Self::Own(child, _) = self {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|_| matches!(child.try_wait(), Ok(None))) {
                let _ = kill_process(pid, Signal::TERM);
            }
            let _ = child.wait();
        }
    }
}
