//! Keys of falco.yaml about outputs, and the `sensor:` keys beside them.

use std::{fmt, path::PathBuf};

use super::{ByteSize, Span};

/// `outputs_queue.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputsQueue {
    /// Most lines that wait before an output; 0: only the limit in bytes applies.
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
    /// Whether to keep the file open; otherwise the sensor closes it whenever no line waits.
    pub keep_alive: bool,
    /// Path of the file; the sensor replaces `{node}` and `{hostname}`.
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
    /// Size in bytes at which a file is rotated; 0: never.
    pub size: ByteSize,
    /// Age at which a file is rotated; 0: never.
    pub age: Span,
    /// Number of rotated files to keep; 0: all.
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
    /// Most bytes of lines that wait in memory while the file cannot be written.
    pub memory: ByteSize,
    /// Local directory for more lines that wait; none: the sensor drops them.
    pub directory: Option<PathBuf>,
    /// Most bytes in that directory.
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
    /// Whether to send lines to an HTTP server.
    pub enabled: bool,
    /// URL of the server: `http://…` or `https://…`.
    pub url: String,
    /// `User-Agent` of the requests.
    pub user_agent: String,
    /// Whether to accept any certificate of the server.
    pub insecure: bool,
    /// PEM file of the certificate authority that signed the server's certificate.
    pub ca_cert: Option<PathBuf>,
    /// PEM file of certificate authorities.
    pub ca_bundle: Option<PathBuf>,
    /// Directory with PEM files of certificate authorities.
    pub ca_path: Option<PathBuf>,
    /// Whether to present a client certificate to the server.
    pub mtls: bool,
    /// PEM file of the client certificate.
    pub client_cert: PathBuf,
    /// PEM file of the client certificate's key.
    pub client_key: PathBuf,
    /// Whether to write the answers of the server to the log.
    pub echo: bool,
    /// Whether to tell the server that it may compress its answers.
    pub compress_uploads: bool,
    /// Whether the kernel probes an idle connection.
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
            compress_uploads: false,
            keep_alive: false,
        }
    }
}

/// Names and values of HTTP headers. The values are secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

/// `sensor.http_output.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTuning {
    /// Further headers of the requests.
    pub headers: Headers,
    /// Time limit for one request.
    pub timeout: Span,
    /// How long the sensor retries a line before it drops the line.
    pub retry_for: Span,
    /// First pause after a failure; each further pause is twice as long, up to `retry_max`.
    pub retry_min: Span,
    /// Longest pause after a failure.
    pub retry_max: Span,
}

impl Default for HttpTuning {
    fn default() -> Self {
        Self {
            headers: Headers::default(),
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
    /// Whether to send lines to the system log.
    pub enabled: bool,
}

/// `program_output.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramOutput {
    /// Whether to give lines to a program.
    pub enabled: bool,
    /// Whether to keep the program running; otherwise the sensor starts it for each line.
    pub keep_alive: bool,
    /// The command line of the program. The sensor splits it without a shell, unless it has
    /// characters that only a shell interprets.
    pub program: String,
}
