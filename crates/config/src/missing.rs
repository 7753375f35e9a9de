//! What an output lacks that the configuration enables.

use yaml::{Diagnostic, Source};

use super::Config;

/// An output, whether it is enabled without that value, and the key of the value.
type Need = (
    &'static str,
    fn(&Config) -> bool,
    &'static str,
    &'static str,
);

const NEEDS: &[Need] = &[
    (
        "file_output",
        |c| c.file_output.enabled && c.file_output.filename.as_os_str().is_empty(),
        "filename",
        "/var/log/falco/falco-{node}.log",
    ),
    (
        "http_output",
        |c| c.http_output.enabled && c.http_output.url.is_empty(),
        "url",
        "http://falcosidekick:2801/",
    ),
    (
        "program_output",
        |c| c.program_output.enabled && c.program_output.program.is_empty(),
        "program",
        "logger -t falco",
    ),
];

/// An error for each output that is enabled and lacks a value.
pub(super) fn missing(config: &Config) -> impl Iterator<Item = Diagnostic> + use<> {
    let lacking: Vec<_> = NEEDS
        .iter()
        .filter(|(_, lacks, ..)| lacks(config))
        .collect();
    lacking.into_iter().map(|(output, _, key, example)| {
        let source = Source::new("configuration", "");
        let message = format!("{output} is enabled without {key}");
        Diagnostic::error(&source, source.position(0), message)
            .hint(format!("set {output}.{key} to something like {example}"))
    })
}
