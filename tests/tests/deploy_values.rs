//! The pods that the chart makes of values for each version of Falco's chart, and of the user's
//! own: the sensor starts with the command line and the configuration of each. `deploy/tests`
//! holds the file true that has them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{fs, path::Path, process::Command};

use serde_json::{Map, Value};
use tempfile::TempDir;
use tests::programs;

/// What each container is started with: `args`, `env` and `configuration`.
fn pods() -> Map<String, Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/tests/golden/pods.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The sensor as a pod starts it, with the pod's directories below a temporary one.
fn command(name: &str, pod: &Value, directory: &Path) -> Command {
    let place = directory.display().to_string();
    for mounted in [
        "log/falco",
        "log/events",
        "log/metrics",
        "custom.d",
        "rules.d",
    ] {
        fs::create_dir_all(directory.join(mounted)).unwrap();
    }
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/rules/execve.yaml");
    fs::copy(rules, directory.join("rules.d/execve.yaml")).unwrap();
    let text = pod["configuration"]
        .as_str()
        .unwrap()
        .replace("/var/log/", &format!("{place}/log/"));
    let file = directory.join("sensor.yaml");
    fs::write(&file, text.replace("/etc/sensor", &place)).unwrap();
    let mut command = Command::new(programs::sensor());
    // None: the pods of a test leave nothing on the machine.
    command.args(["-o", "sensor.state_dir="]);
    let texts = |value: &Value| value.as_str().unwrap().to_owned();
    let args = pod["args"].as_array().unwrap().iter().map(texts);
    command.arg("-c").arg(file).args(args);
    let env = pod["env"].as_object().unwrap();
    let env = env.iter().map(|(name, value)| (name, texts(value)));
    command
        .current_dir(directory.join("log/falco"))
        .env_clear()
        .envs(env);
    // What two sensors on one machine cannot share, and what this machine has elsewhere.
    command.env("HOST_ROOT", "/");
    let instance = format!("values-{}-{}", std::process::id(), name.len());
    for option in [
        "webserver.listen_port=0".to_owned(),
        "webserver.listen_address=127.0.0.1".to_owned(),
        "sensor.capture.tree.mode=only".to_owned(),
        format!("sensor.instance={instance}"),
    ] {
        command.args(["-o", &option]);
    }
    command
}

#[test]
fn the_pod_of_every_version_s_values_passes_a_dry_run() {
    for (name, pod) in pods() {
        let directory = TempDir::new().unwrap();
        let mut command = command(&name, &pod, directory.path());
        let done = programs::alone(|| command.arg("--dry-run").output()).unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {error}");
        assert!(!error.contains("secret"), "{name}: {error}");
    }
}

#[test]
fn the_pod_of_every_version_s_values_starts() {
    for (name, pod) in pods() {
        let directory = TempDir::new().unwrap();
        let mut command = command(&name, &pod, directory.path());
        let done = programs::alone(|| command.args(["-M", "1"]).output()).unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {error}");
        assert!(error.contains("rights given up"), "{name}: {error}");
        assert!(!error.contains("secret"), "{name}: {error}");
    }
}
