//! Whether this sensor is the only one of its instance, or takes over from another one.

use anyhow::bail;
use config::{Config, Takeover};
use tracing::warn;

use crate::{
    lifecycle::{Instance, InstanceError, StateError, StateFolder},
    takeover::{Found, Predecessor, When},
};

/// The place of a sensor that starts.
pub(super) enum Seat {
    /// No other sensor of the instance runs.
    Alone(Instance, Option<StateFolder>),
    /// Another one runs, and hands over or ends.
    Behind(Box<Predecessor>),
}

impl Seat {
    /// Takes the locks, or finds the sensor that has them.
    ///
    /// # Errors
    /// If another sensor runs, and this one may not take over from it.
    pub(super) fn take(config: &Config) -> anyhow::Result<Self> {
        let sensor = &config.sensor;
        let name = sensor.instance.as_str();
        let when = match sensor.takeover {
            Takeover::On => When::Ready,
            Takeover::AtStop => When::Stop,
            Takeover::Off => return Self::take_alone(config),
        };
        if sensor.state_dir.as_os_str().is_empty() {
            return Self::take_alone(config);
        }
        let instance = match Instance::take(name) {
            Ok(instance) => Ok(instance),
            Err(taken @ InstanceError::Taken { .. }) => Err(taken),
            Err(error) => return Err(error.into()),
        };
        let folder = match StateFolder::take(&sensor.state_dir, name) {
            Err(StateError::Taken(_)) => StateFolder::of_another(&sensor.state_dir, name)?,
            folder => return Ok(Self::Alone(instance?, usable(folder))),
        };
        let found = match instance {
            Ok(lock) => Predecessor::find(folder, (name, Some(lock)), when, sensor.stop_deadline.0),
            Err(_) => Predecessor::find(folder, (name, None), when, sensor.stop_deadline.0),
        };
        match found {
            Found::Predecessor(predecessor) => Ok(Self::Behind(predecessor)),
            Found::Refusal(why) => bail!(
                "another sensor runs already, and does not hand over: {why}: stop it, or give this one another sensor.instance and output file"
            ),
        }
    }

    fn take_alone(config: &Config) -> anyhow::Result<Self> {
        let sensor = &config.sensor;
        let instance = Instance::take(&sensor.instance)?;
        let none = sensor.state_dir.as_os_str().is_empty();
        let folder = (!none).then(|| StateFolder::take(&sensor.state_dir, &sensor.instance));
        Ok(Self::Alone(instance, folder.and_then(usable)))
    }

    /// The state folder, to read in it.
    pub(super) fn folder(&self) -> Option<&StateFolder> {
        match self {
            Self::Alone(_, folder) => folder.as_ref(),
            Self::Behind(predecessor) => Some(predecessor.folder()),
        }
    }
}

/// The state folder; none if there can be none, and the log says so.
fn usable(folder: Result<StateFolder, StateError>) -> Option<StateFolder> {
    match folder {
        Ok(folder) => Some(folder),
        Err(error) => {
            warn!(
                "no state folder, so the next run will know neither the gap before it nor, if it starts with broken rules, the last good ones, and cannot take over: {error}; set sensor.state_dir to a local directory, or to an empty text for none"
            );
            None
        }
    }
}
