//! Prints the configuration as YAML, and the page that documents its keys.

use std::fmt::Write;

use super::{
    Config, Key, NOT_APPLICABLE, keys, secrets,
    setting::{Setting as _, quote},
};

/// The whole configuration as YAML, each key with its meaning, without secrets. Apart from these
/// the text reads as the same configuration.
#[must_use]
pub fn print(config: &Config) -> String {
    let mut out = String::new();
    let mut open: Vec<&str> = Vec::new();
    for key in keys() {
        let mut parts: Vec<&str> = key.name.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let common = open.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        for (depth, part) in parts.iter().enumerate().skip(common) {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{}{part}:", "  ".repeat(depth));
        }
        let indent = "  ".repeat(parts.len());
        let _ = writeln!(out, "{indent}# {}", key.doc);
        let _ = writeln!(out, "{indent}{last}: {}", value(key, config));
        open = parts;
    }
    out
}

/// The value of a key as YAML, without secrets.
fn value(key: &Key, config: &Config) -> String {
    match key.name {
        "http_output.url" => quote(&secrets::hide_user_info(&config.http_output.url)),
        "sensor.http_output.headers" => {
            let mut hidden = config.sensor.http_output.headers.clone();
            for (_, value) in &mut hidden.0 {
                secrets::HIDDEN.clone_into(value);
            }
            hidden.show()
        }
        "program_output.program" => quote(&secrets::hide_all(&config.program_output.program)),
        _ => (key.show)(config),
    }
}

/// The text of the page `deploy/configuration.md`.
#[must_use]
pub fn markdown() -> String {
    let default = Config::default();
    let mut out = String::from(
        "<!-- Generated from the table of keys (crates/config/src/keys.rs); a test holds it true. -->\n\
         # Configuration\n\n\
         The sensor reads one YAML file: `-c FILE`, else `/etc/falco/falco.yaml` if that file is there. Then come \
         `config_files`, the environment, and `-o key=value`, each over the ones before it; only `-o config_files=…` \
         comes first, since it says what to merge in. The sensor also runs with no file at all. \
         `sensor --print-config` prints the values in force.\n\n\
         An unknown key is a warning with the nearest known one; `sensor.strict_config: true` makes it an error. A \
         key without a value has its default. `-o` takes Falco's paths (`rules[].disable.rule=*`, `a.b[0].c=v`): the \
         value is a text as it stands, unless it is in braces or brackets.\n\n\
         `${NAME}` in a value stands for a variable of the environment. A variable can set each key under \
         `sensor` too: `SENSOR_CAPTURE_HOOKS` sets `sensor.capture.hooks`; write lists with commas.\n\n",
    );
    for (title, falco) in [("Keys of falco.yaml", true), ("Keys of the sensor", false)] {
        let _ = writeln!(
            out,
            "## {title}\n\n| Key | Value | Default | Meaning |\n|---|---|---|---|"
        );
        for key in keys().iter().filter(|key| key.falco == falco) {
            let _ = writeln!(
                out,
                "| `{}` | {} | `{}` | {} |",
                key.name,
                key.ty,
                (key.show)(&default),
                key.doc
            );
        }
        out.push('\n');
    }
    out += "## Keys of falco.yaml without effect here\n\nThe sensor accepts these keys, with a warning where a value asks for something that is not there.\n\n| Key | Why |\n|---|---|\n";
    for foreign in NOT_APPLICABLE {
        let _ = writeln!(out, "| `{}` | {} |", foreign.name, foreign.reason);
    }
    out += "\n## Defaults that differ from Falco's\n\n| Key | Falco | here | Why |\n|---|---|---|---|\n";
    for (key, falco, ours, why) in DIFFERENT {
        let _ = writeln!(out, "| `{key}` | `{falco}` | `{ours}` | {why} |");
    }
    out
}

/// Defaults that differ from Falco's: key, Falco's default, the sensor's default, the reason.
const DIFFERENT: &[(&str, &str, &str, &str)] = &[
    (
        "json_output",
        "false",
        "true",
        "the lines are for machines; a terminal gets readable ones anyway",
    ),
    (
        "syslog_output.enabled",
        "true",
        "false",
        "a container has no system log",
    ),
    (
        "outputs_queue.capacity",
        "0",
        "100000",
        "a stalled output must not eat the node's memory",
    ),
    (
        "file_output.keep_alive",
        "false",
        "true",
        "opening a file for each line costs more than writing it",
    ),
    (
        "file_output.filename",
        "\"\"",
        "/var/log/falco/falco-{node}.log",
        "a place to start with",
    ),
    (
        "engine.modern_ebpf.drop_failed_exit",
        "false",
        "true",
        "the hook costs every system call of the node",
    ),
    (
        "webserver.prometheus_metrics_enabled",
        "false",
        "true",
        "losses must be seen",
    ),
    (
        "rules_files",
        "[/etc/falco/falco_rules.yaml, /etc/falco/falco_rules.local.yaml, /etc/falco/rules.d]",
        "[]",
        "the built-in rules log every exec",
    ),
];
