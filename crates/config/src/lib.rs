//! The configuration: plain structs, and one table of keys that reads, prints
//! and documents them.
//!
//! ```text
//! defaults ◀─ falco.yaml ◀─ config_files ◀─ environment ◀─ -o key=value  ──▶ Config
//! ```
//!
//! Only `-o config_files=…` comes earlier: it says what is merged in.
//!
//! Keys of falco.yaml keep their name and meaning; ours stand under `sensor:`.

mod apply;
mod config_file;
mod engine;
mod keys;
mod load;
mod log;
mod outputs;
mod print;
mod sensor;
mod service;
mod setting;
mod values;

pub use config_file::{ConfigFile, Strategy};

pub use engine::{AppendOutput, Engine, ModernEbpf, RuleMatching, RuleSwitch, WhichRules};
pub use keys::{Key, NOT_APPLICABLE, all as keys};
pub use load::{ConfigError, Inputs, Loaded, load};
pub use log::{LogFormat, LogLevel, priority_of};
pub use outputs::{
    FileOutput, HttpOutput, HttpTuning, OutputsQueue, ProgramOutput, Rotate, Spool, StdoutOutput,
    SyslogOutput,
};
pub use print::{markdown, print};
pub use sensor::{
    Capture, Containerd, Fairness, FileTuning, Hold, Hooks, Kube, SelfTest, Sensor, Toggle, Tree,
    TreeMode, WantedEnv,
};
pub use service::{DropAction, Metrics, SyscallEventDrops, Webserver};
pub use values::{ByteSize, Mode, Owner, Span};

use std::path::PathBuf;

use falco_rules::Priority;

/// Everything that can be configured. `Config::default()` is what runs with no file at all.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of falco.yaml")]
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Files and directories of configuration that are merged in, in order.
    pub config_files: Vec<ConfigFile>,
    /// Reload when a configuration or rules file changes.
    pub watch_config_files: bool,
    /// Files and directories of rules, in order; none: the built-in rules.
    pub rules_files: Vec<PathBuf>,
    /// No key: those of `rules_files` that may be missing. All that the configuration names
    /// may, but nothing else that the command line puts in their place.
    pub optional_rules_files: Vec<PathBuf>,
    /// Switches of rules, applied in order after loading.
    pub rules: Vec<RuleSwitch>,
    /// Rules that are less urgent are not loaded.
    pub priority: Priority,
    /// Whether an event triggers the first rule that matches, or all.
    pub rule_matching: RuleMatching,
    /// JSON lines instead of text.
    pub json_output: bool,
    /// `output` in JSON lines.
    pub json_include_output_property: bool,
    /// `message` in JSON lines.
    pub json_include_message_property: bool,
    /// `output_fields` in JSON lines.
    pub json_include_output_fields_property: bool,
    /// `tags` in JSON lines.
    pub json_include_tags_property: bool,
    /// Times as `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000`.
    pub time_format_iso_8601: bool,
    /// What is added to the outputs of rules.
    pub append_output: Vec<AppendOutput>,
    /// Let lines wait for up to a second for others, to be written together.
    pub buffered_outputs: bool,
    /// How much may wait before an output.
    pub outputs_queue: OutputsQueue,
    /// An output that is busy for longer is reported.
    pub output_timeout: Span,
    /// Standard output.
    pub stdout_output: StdoutOutput,
    /// A file.
    pub file_output: FileOutput,
    /// A web server, one POST a line.
    pub http_output: HttpOutput,
    /// The system log.
    pub syslog_output: SyslogOutput,
    /// Standard input of a program.
    pub program_output: ProgramOutput,
    /// Health and metrics by HTTP.
    pub webserver: Webserver,
    /// What happens when events are lost.
    pub syscall_event_drops: SyscallEventDrops,
    /// Figures, as records in the stream and for Prometheus.
    pub metrics: Metrics,
    /// The kernel side.
    pub engine: Engine,
    /// Log to standard error.
    pub log_stderr: bool,
    /// Log to the system log, where there is one.
    pub log_syslog: bool,
    /// Least urgent log lines.
    pub log_level: LogLevel,
    /// What falco.yaml has no key for.
    pub sensor: Sensor,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            config_files: vec![PathBuf::from("/etc/falco/config.d").into()],
            watch_config_files: true,
            rules_files: Vec::new(),
            optional_rules_files: Vec::new(),
            rules: Vec::new(),
            priority: Priority::Debug,
            rule_matching: RuleMatching::First,
            json_output: true,
            json_include_output_property: true,
            json_include_message_property: false,
            json_include_output_fields_property: true,
            json_include_tags_property: true,
            time_format_iso_8601: false,
            append_output: Vec::new(),
            buffered_outputs: false,
            outputs_queue: OutputsQueue::default(),
            output_timeout: Span::from_millis(2000),
            stdout_output: StdoutOutput::default(),
            file_output: FileOutput::default(),
            http_output: HttpOutput::default(),
            syslog_output: SyslogOutput::default(),
            program_output: ProgramOutput::default(),
            webserver: Webserver::default(),
            syscall_event_drops: SyscallEventDrops::default(),
            metrics: Metrics::default(),
            engine: Engine::default(),
            log_stderr: true,
            log_syslog: true,
            log_level: LogLevel::default(),
            sensor: Sensor::default(),
        }
    }
}

#[cfg(test)]
mod tests;
