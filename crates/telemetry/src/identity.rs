//! The identity of the sensor, which is in every internal record.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use config::Config;
use time::UtcOffset;

/// The part of the identity that a reload changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Digest of the rules.
    pub rules: String,
    /// Digest of the configuration.
    pub config: String,
    /// Whether lines are JSON instead of text.
    pub json: bool,
    /// Whether times in text are ISO 8601.
    pub iso8601: bool,
}

impl Loaded {
    /// What a configuration and rules say of records, with the digests of both.
    #[must_use]
    pub fn new(config: &Config, digest: &str, rules: &str) -> Self {
        Self {
            rules: rules.to_owned(),
            config: digest.to_owned(),
            json: config.json_output,
            iso8601: config.time_format_iso_8601,
        }
    }
}

/// The identity of the sensor, shared by all threads that write records.
#[derive(Debug)]
pub struct Identity {
    /// Name of the node, `{node}`.
    pub node: String,
    /// Name of the host, `hostname` in records and `{hostname}`.
    pub hostname: String,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// Release of the kernel.
    pub kernel: String,
    /// When the sensor started.
    pub started: SystemTime,
    /// Offset of local time from UTC.
    pub offset: UtcOffset,
    loaded: Mutex<Arc<Loaded>>,
}

impl Identity {
    /// The identity under that configuration, on this machine.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let uname = rustix::system::uname();
        let host = uname.nodename().to_string_lossy().into_owned();
        let sensor = &config.sensor;
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Self {
            node: sensor
                .node
                .clone()
                .or_else(|| sensor.hostname.clone())
                .unwrap_or_else(|| host.clone()),
            hostname: sensor.hostname.clone().unwrap_or(host),
            boot_id: boot_id.unwrap_or_default().trim().to_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
            started: SystemTime::now(),
            offset: crate::local_offset(),
            loaded: Mutex::new(Arc::new(Loaded::new(config, "", ""))),
        }
    }

    /// Version of the sensor.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// What is loaded now.
    #[must_use]
    pub fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets what is loaded, at the start and after a reload.
    pub fn set_loaded(&self, loaded: Loaded) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    }

    /// A path with `{node}` and `{hostname}` replaced; a name never adds a directory.
    #[must_use]
    pub fn expand(&self, path: &std::path::Path) -> PathBuf {
        let safe = |name: &str| match name {
            "" | "." | ".." => "_".to_owned(),
            name => name.replace(['/', '\0'], "_"),
        };
        let Some(text) = path.to_str() else {
            return path.to_owned();
        };
        text.replace("{node}", &safe(&self.node))
            .replace("{hostname}", &safe(&self.hostname))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::{Inputs, load};

    use super::*;

    #[test]
    fn in_a_cluster_records_carry_the_nodes_name_and_not_the_pods() {
        let hostname = |environment: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
            let inputs = Inputs {
                file: Some("/dev/null".into()),
                environment: environment.iter().map(owned).collect(),
                overrides: Vec::new(),
            };
            Identity::new(&load(&inputs).unwrap().config).hostname
        };
        assert_eq!(hostname(&[("NODE_NAME", "n1")]), "n1");
        let falco = [("NODE_NAME", "n1"), ("FALCO_HOSTNAME", "h1")];
        assert_eq!(hostname(&falco), "h1", "Falco's own variable goes first");
    }

    fn identity(node: &str) -> Identity {
        let mut config = Config::default();
        config.sensor.node = Some(node.into());
        config.sensor.hostname = Some("host".into());
        Identity::new(&config)
    }

    #[test]
    fn placeholders_are_replaced() {
        let path = identity("n1").expand(Path::new("/l/{hostname}/f-{node}.log"));
        assert_eq!(path, Path::new("/l/host/f-n1.log"));
    }

    #[test]
    fn a_nodes_name_does_not_lead_out_of_the_directory() {
        let expand = |node| identity(node).expand(Path::new("/l/{node}"));
        assert_eq!(expand("../../etc/passwd"), Path::new("/l/.._.._etc_passwd"));
        assert_eq!(expand(".."), Path::new("/l/_"));
    }
}
