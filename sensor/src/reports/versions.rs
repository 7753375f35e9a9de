//! The versions that tools for Falco ask for.

use serde_json::{Value, json};

/// The version of Falco's rule language and fields that the engine implements.
pub const ENGINE: &str = falco_rules::ENGINE_VERSION;

/// The versions, with Falco's keys: for `/versions`, `--version` and `--support`.
#[must_use]
pub fn object(version: &str) -> Value {
    json!({
        "falco_version": version,
        "engine_version": ENGINE.split('.').nth(1),
        "engine_version_semver": ENGINE,
        "sensor_version": version,
        "plugin_versions": {},
    })
}
