//! Where lines go: keys of falco.yaml, and what is beside them under `sensor:`.

use std::path::PathBuf;

use super::{ByteSize, Span};

/// `outputs_queue.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputsQueue {
    /// Most lines that wait before an output; 0 is no limit but that of bytes.
    pub capacity: u64,
}

impl Default for OutputsQueue {
    fn default() -> Self {
        Self { capacity: 100_000 }
    }
}

/// `stdout_output.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StdoutOutput {
    /// Write lines to standard output.
    pub enabled: bool,
}

impl Default for StdoutOutput {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// `file_output.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutput {
    /// Write lines to a file.
    pub enabled: bool,
    /// Keep the file open; otherwise it is closed whenever nothing waits.
    pub keep_alive: bool,
    /// Its path; `{node}` and `{hostname}` are replaced.
    pub filename: PathBuf,
}

impl Default for FileOutput {
    fn default() -> Self {
        Self {
            enabled: false,
            keep_alive: true,
            filename: "/var/log/falco/falco-{node}.log".into(),
        }
    }
}

/// `sensor.file_output.rotate.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// Bytes at which a file is put aside; 0: never.
    pub size: ByteSize,
    /// Age at which a file is put aside; 0: never.
    pub age: Span,
    /// How many files put aside are kept; 0: all.
    pub keep: u32,
}

impl Default for Rotate {
    fn default() -> Self {
        Self {
            size: ByteSize::mib(100),
            age: Span::from_secs(0),
            keep: 5,
        }
    }
}

/// `sensor.file_output.spool.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    /// Bytes that wait in memory while the file cannot be written.
    pub memory: ByteSize,
    /// Local directory for what waits beyond that; none: nothing does.
    pub directory: Option<PathBuf>,
    /// Bytes that may wait in that directory.
    pub size: ByteSize,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(64),
            directory: None,
            size: ByteSize::mib(1024),
        }
    }
}

/// `http_output.*`
#[expect(clippy::struct_excessive_bools, reason = "each is a key of falco.yaml")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOutput {
    /// POST lines to a web server.
    pub enabled: bool,
    /// Its address: `http://…` or `https://…`.
    pub url: String,
    /// `User-Agent` of the requests.
    pub user_agent: String,
    /// Do not check the server's certificate.
    pub insecure: bool,
    /// PEM file of the authority that signed the server's certificate.
    pub ca_cert: Option<PathBuf>,
    /// PEM file of several authorities.
    pub ca_bundle: Option<PathBuf>,
    /// Directory of PEM files of authorities.
    pub ca_path: Option<PathBuf>,
    /// Present a certificate to the server.
    pub mtls: bool,
    /// PEM file of that certificate.
    pub client_cert: PathBuf,
    /// PEM file of its key.
    pub client_key: PathBuf,
    /// Print the answers of the server to the log.
    pub echo: bool,
    /// Keep the connection for further requests.
    pub keep_alive: bool,
}

impl Default for HttpOutput {
    fn default() -> Self {
        Self {
            enabled: false,
            url: String::new(),
            user_agent: "falcosecurity/falco".into(),
            insecure: false,
            ca_cert: None,
            ca_bundle: None,
            ca_path: None,
            mtls: false,
            client_cert: "/etc/ssl/certs/client.crt".into(),
            client_key: "/etc/ssl/certs/client.key".into(),
            echo: false,
            keep_alive: true,
        }
    }
}

/// `sensor.http_output.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTuning {
    /// How long one request may take.
    pub timeout: Span,
    /// How long a line is tried before it is dropped.
    pub retry_for: Span,
    /// First pause after a failure; doubles up to `retry_max`.
    pub retry_min: Span,
    /// Longest pause.
    pub retry_max: Span,
}

impl Default for HttpTuning {
    fn default() -> Self {
        Self {
            timeout: Span::from_secs(10),
            retry_for: Span::from_secs(300),
            retry_min: Span::from_millis(100),
            retry_max: Span::from_secs(10),
        }
    }
}

/// `syslog_output.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyslogOutput {
    /// Send lines to the system log.
    pub enabled: bool,
}

/// `program_output.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramOutput {
    /// Give lines to a program.
    pub enabled: bool,
    /// Keep the program running; otherwise it is started for each line.
    pub keep_alive: bool,
    /// The program and its arguments. No shell reads it: quotes and backslashes
    /// work, `|`, `>` and `$` do not.
    pub program: String,
}
