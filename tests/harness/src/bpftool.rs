//! What an attacker does with bpftool to a sensor's maps and links.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use crate::Sensor;

/// bpftool, if it is installed.
#[derive(Debug)]
pub struct Bpftool<'a>(&'a Sensor);

impl<'a> Bpftool<'a> {
    /// bpftool for an attack on that sensor.
    #[must_use]
    pub fn against(sensor: &'a Sensor) -> Self {
        Self(sensor)
    }

    /// Runs bpftool; returns its output, or its message if it fails.
    ///
    /// # Errors
    /// If bpftool fails.
    ///
    /// # Panics
    /// If bpftool is not installed.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("bpftool")
            .args(arguments)
            .output()
            .expect("bpftool is installed: `cargo xtask setup --tests`");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr) + &text(&output.stdout))
        }
    }

    /// Ids of the sensor's open links or maps: `link_id` or `map_id` of its descriptors.
    ///
    /// # Panics
    /// If `/proc` cannot be read.
    #[must_use]
    pub fn ids(&self, what: &str) -> Vec<String> {
        let directory = format!("/proc/{}/fdinfo", self.0.pid());
        let mut ids = BTreeSet::new();
        for entry in fs::read_dir(directory).expect("the sensor runs").flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let id = text
                .lines()
                .find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
            ids.extend(id.map(|id| id.trim().to_owned()));
        }
        ids.into_iter().collect()
    }

    /// Id of the sensor's map of that name.
    ///
    /// # Panics
    /// If the sensor has no such map.
    #[must_use]
    pub fn map(&self, name: &str) -> String {
        let is_it = |id: &String| {
            let shown = self.run(&["-j", "map", "show", "id", id]);
            let shown: Option<Value> = shown.ok().and_then(|text| serde_json::from_str(&text).ok());
            shown.is_some_and(|map| map["name"] == name)
        };
        let found = self.ids("map_id").into_iter().find(is_it);
        found.unwrap_or_else(|| panic!("the sensor has no map {name}"))
    }

    /// Entries of a map: key and value, each byte in hexadecimal digits, separated by blanks.
    ///
    /// # Panics
    /// If the map cannot be read.
    #[must_use]
    pub fn entries(&self, map: &str) -> Vec<[String; 2]> {
        let text = self.run(&["-j", "map", "dump", "id", map]);
        let text = text.expect("a map can be read");
        let dump: Value = serde_json::from_str(&text).expect("JSON");
        let bytes = |value: &Value| {
            let bytes = value.as_array().into_iter().flatten();
            let digits = bytes.filter_map(Value::as_str);
            digits
                .map(|byte| byte.trim_start_matches("0x"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let entries = dump.as_array().expect("a list").iter();
        entries
            .map(|entry| [bytes(&entry["key"]), bytes(&entry["value"])])
            .collect()
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn update(&self, map: &str, key: &str, value: &str) -> Result<String, String> {
        let mut arguments = vec!["map", "update", "id", map, "key", "hex"];
        arguments.extend(key.split(' '));
        arguments.extend(["value", "hex"]);
        arguments.extend(value.split(' '));
        self.run(&arguments)
    }
}
