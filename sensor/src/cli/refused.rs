//! What a command line is refused for, as one line.

use clap::{
    Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Flags that Falco had and has removed: the names, and what to write in their place. Falco 0.44
/// refuses them as unknown.
pub const REMOVED: &[(&[&str], &str)] = &[
    (
        &["-A"],
        "leave it out: rules decide which events are observed",
    ),
    (
        &["-b", "--print-base64"],
        "leave it out: events carry no buffers of reads and writes",
    ),
    (
        &["--cri"],
        "set sensor.containerd.sockets where the socket is not found",
    ),
    (
        &["-d", "--daemon"],
        "start the sensor by systemd or in a pod",
    ),
    (
        &["--disable-cri-async"],
        "leave it out: an event waits for its container, see sensor.hold",
    ),
    (&["-D"], "write -o 'rules[].disable.rule=*TEXT*'"),
    (&["-e"], "reading .scap files is not supported"),
    (
        &["-F"],
        "leave it out: rules decide which events are observed",
    ),
    (
        &[
            "-g",
            "--gvisor-config",
            "--gvisor-generate-config",
            "--gvisor-root",
        ],
        "events of gVisor are not supported",
    ),
    (
        &["-k", "--k8s-api"],
        "set sensor.kube.kubeconfig where the service account's access is not found",
    ),
    (
        &["-K", "--k8s-api-cert"],
        "set sensor.kube.kubeconfig where the service account's access is not found",
    ),
    (
        &["--k8s-node"],
        "set sensor.node, or the environment variable NODE_NAME",
    ),
    (&["-m", "--mesos-api"], "Mesos is not supported"),
    (
        &["--modern-bpf"],
        "leave it out: there is one engine, modern_ebpf",
    ),
    (
        &["--nodriver"],
        "write --dry-run to check configuration and rules",
    ),
    (
        &["-s", "--stats-interval"],
        "set metrics.output_file and metrics.interval",
    ),
    (
        &["-S", "--snaplen"],
        "leave it out: events carry no buffers of reads and writes",
    ),
    (
        &["-t"],
        "write -o 'rules[].disable.rule=*' -o 'rules[].enable.tag=TAG'",
    ),
    (&["-T"], "write -o 'rules[].disable.tag=TAG'"),
    (
        &["-u", "--userspace"],
        "leave it out: there is one engine, modern_ebpf",
    ),
];

/// The reason for which clap refuses a command line, on one line.
pub(super) fn line(error: &Error) -> String {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && let Some((_, instead)) = REMOVED.iter().find(|(names, _)| names.contains(&&**flag))
    {
        return format!("Falco has removed {flag}: {instead}");
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // Behind the first paragraph come advice, usage, and how to get help.
    let mut paragraphs = text.split("\n\n");
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let reason = words(paragraphs.next().unwrap_or_default());
    let advice = paragraphs.find_map(|text| text.trim_start().strip_prefix("tip: ").map(words));
    match advice {
        Some(advice) => format!("{reason}: {advice}; --help lists all flags"),
        None => format!("{reason}; --help lists all flags"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Args;

    fn refused(line_of: &str) -> String {
        let error = Args::try_parse_from(line_of.split(' ')).unwrap_err();
        line(&error)
    }

    #[test]
    fn a_flag_that_falco_has_removed_is_answered_with_what_to_write() {
        for (names, instead) in REMOVED {
            for name in *names {
                for command in [format!("sensor {name}"), format!("sensor {name} value")] {
                    let text = refused(&command);
                    assert_eq!(text, format!("Falco has removed {name}: {instead}"));
                }
            }
        }
    }

    #[test]
    fn a_flag_that_is_nearly_right_is_answered_with_the_right_one() {
        let text = refused("sensor --list-event");
        assert!(text.contains("'--list-event' found"), "{text}");
        assert!(text.contains("'--list-events'"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn every_refusal_is_one_line_that_names_the_flag() {
        for (line, named) in [
            ("sensor --nope", "--nope"),
            ("sensor stray", "stray"),
            ("sensor -V", "--validate"),
            ("sensor -M soon", "soon"),
            ("sensor --format xml", "xml"),
            ("sensor --markdown --format text", "--markdown"),
            (
                "sensor --enable-source a --disable-source a",
                "--disable-source",
            ),
        ] {
            let text = refused(line);
            assert!(text.contains(named) && !text.contains('\n'), "{text}");
        }
    }
}
