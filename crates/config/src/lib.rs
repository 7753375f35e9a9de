//! The configuration: plain structs, and one table of keys that reads, prints
//! and documents them.
//!
//! ```text
//! defaults ◀─ falco.yaml ◀─ config_files ◀─ environment ◀─ -o key=value  ──▶ Config
//! ```
//!
//! Only `-o config_files=…` comes earlier, because it decides which files are merged in.
//!
//! Keys of falco.yaml keep their name and meaning; the sensor's own keys are under `sensor:`.

mod apply;
mod config_file;
mod container_plugin;
mod engine;
mod foreign;
mod keys;
mod load;
mod loaded;
mod log;
mod missing;
mod outputs;
mod path;
mod print;
mod schema;
mod secrets;
mod sensor;
mod service;
mod setting;
mod values;

pub use config_file::{ConfigFile, Strategy};

pub use engine::{
    AppendOutput, CaptureMode, Engine, EngineKind, ModernEbpf, Replay, RuleCapture, RuleMatching,
    RuleSwitch,
};
pub use foreign::{Foreign, NOT_APPLICABLE};
pub use keys::{Key, all as keys};
pub use load::{Inputs, load};
pub use loaded::{ConfigError, Loaded};
pub use log::{LogFormat, LogLevel, priority_of};
pub use outputs::{
    FileOutput, Headers, HttpOutput, HttpTuning, OutputsQueue, ProgramOutput, Rotate, Spool,
    StdoutOutput, SyslogOutput,
};
pub use print::{markdown, print};
pub use schema::schema;
pub use secrets::hide_user_info;
pub use sensor::{
    BrokenRules, Capture, Containerd, Dns, Fairness, FileTuning, Hold, Hooks, Kube, Runtime,
    SelfTest, Sensor, SensorRules, Syslog, Takeover, Toggle, Tree, TreeMode, WantedEnv,
};
pub use service::{DropAction, Metrics, SyscallEventDrops, Webserver};
pub use values::{ByteSize, Mode, Owner, Span};

use std::path::PathBuf;

use falco_rules::Priority;

use missing::missing;

/// The whole configuration. `Config::default()` is in force without any file.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of falco.yaml")]
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Files and directories of configuration to merge in, in order.
    pub config_files: Vec<ConfigFile>,
    /// Whether to reload when a configuration or rule file changes.
    pub watch_config_files: bool,
    /// Rule files and directories of them, in order; empty: the built-in rules.
    pub rules_files: Vec<PathBuf>,
    /// Not a key: the entries of `rules_files` that may be missing. All entries of a configuration
    /// file may be missing; entries that the command line puts in their place may not.
    pub optional_rules_files: Vec<PathBuf>,
    /// Entries that enable or disable rules, applied in order after loading.
    pub rules: Vec<RuleSwitch>,
    /// The sensor does not load less important rules.
    pub priority: Priority,
    /// Whether the first matching rule of an event writes a line, or each one.
    pub rule_matching: RuleMatching,
    /// Whether to write JSON lines instead of text.
    pub json_output: bool,
    /// Whether JSON lines have `output`.
    pub json_include_output_property: bool,
    /// Whether JSON lines have `message`.
    pub json_include_message_property: bool,
    /// Whether JSON lines have `output_fields`.
    pub json_include_output_fields_property: bool,
    /// Whether JSON lines have `tags`.
    pub json_include_tags_property: bool,
    /// Whether to write times as `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000`.
    pub time_format_iso_8601: bool,
    /// Texts and fields that are added to rule outputs.
    pub append_output: Vec<AppendOutput>,
    /// Whether lines wait for up to a second, so that more of them are written together.
    pub buffered_outputs: bool,
    /// Limit of the queue before each output.
    pub outputs_queue: OutputsQueue,
    /// Time after which the sensor reports an output as blocked.
    pub output_timeout: Span,
    /// The standard output.
    pub stdout_output: StdoutOutput,
    /// The file output.
    pub file_output: FileOutput,
    /// The HTTP output: one POST for each line.
    pub http_output: HttpOutput,
    /// The system log output.
    pub syslog_output: SyslogOutput,
    /// The program output: lines to the standard input of a program.
    pub program_output: ProgramOutput,
    /// The web server for health and metrics.
    pub webserver: Webserver,
    /// What the sensor does when events are lost.
    pub syscall_event_drops: SyscallEventDrops,
    /// Metrics, as records in the stream and for Prometheus.
    pub metrics: Metrics,
    /// Recordings that rules start.
    pub capture: RuleCapture,
    /// The kernel side.
    pub engine: Engine,
    /// Whether to log to standard error.
    pub log_stderr: bool,
    /// Whether to log to the system log, where there is one.
    pub log_syslog: bool,
    /// The least urgent log lines that are written.
    pub log_level: LogLevel,
    /// The keys that falco.yaml does not have.
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
            capture: RuleCapture::default(),
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
