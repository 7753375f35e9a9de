//! Starts with a broken rules file.

use std::{fs, path::Path, process::Command};

use tests::{Act, Scene, Sensor, Setup, programs, sensor::wait_for};

const BROKEN: &str = "- {rule: [";

fn rule(name: &str) -> String {
    format!(
        "- {{rule: {name}, desc: d, condition: evt.type = execve, output: '%proc.name', priority: INFO}}\n"
    )
}

/// A sensor with that state folder and these rules, which sees what starts below a process.
fn start(root: u32, state: &Path, rules: &str) -> Sensor {
    Setup::watching(root)
        .option("sensor.instance", format!("broken{}", state.display()))
        .option("sensor.state_dir", state.display())
        .rules(rules)
        .with_web_server()
        .start()
}

fn has(sensor: &Sensor, text: &str) -> bool {
    wait_for(|| sensor.lines().iter().any(|line| line.contains(text)))
}

#[test]
fn a_start_with_broken_rules_goes_on_with_the_last_good_ones_and_is_not_ready() {
    let scene = Scene::new();
    let state = scene.directory("state");
    let tool = scene.program("seen");
    let actor = Act::new().exec(&tool, ["seen"]).start();
    let first = start(actor.pid(), &state, &rule("Mine"));
    let _ = first.wait_for_readiness(200);
    let _ = first.stop();

    let second = start(actor.pid(), &state, BROKEN);
    let body = second.wait_for_readiness(503);
    assert!(body.contains("rules_good"), "{body}");
    assert!(body.contains("the last good rules run"), "{body}");
    let _ = actor.go();
    assert!(has(&second, r#""rule":"Mine""#), "{:?}", second.lines());
    assert!(has(&second, r#""rule":"Sensor internal: rules broken""#));
    assert!(has(&second, r#""sensor.rules.running":"last good""#));
    let log = second.stderr();
    assert!(log.contains("rules.yaml:1:"), "{log}");
    let metrics = second.get("/metrics").1;
    assert!(metrics.contains("sensor_rules_broken{file="), "{metrics}");

    second.reload(&rule("Repaired"));
    let _ = second.wait_for_readiness(200);
    assert!(!second.get("/metrics").1.contains("sensor_rules_broken{"));
    let log = second.stderr();
    assert!(
        log.contains("reloaded: 1 rule from 1 file: 1 active"),
        "{log}"
    );
    let _ = second.stop();
}

#[test]
fn without_last_good_rules_a_start_leaves_the_broken_file_out() {
    let scene = Scene::new();
    let more = scene.path("more.yaml");
    fs::write(&more, rule("Other")).unwrap();
    let tool = scene.program("seen");
    let actor = Act::new().exec(&tool, ["seen"]).start();
    let sensor = Setup::watching(actor.pid())
        .option("sensor.state_dir", "")
        .rules(BROKEN)
        .option("rules_files[1]", more.display())
        .start();
    let _ = actor.go();
    assert!(has(&sensor, r#""rule":"Other""#), "{}", sensor.stderr());
    assert!(has(&sensor, r#""sensor.rules.running":"other files""#));
    sensor.reload_in_vain();
    let _ = sensor.stop();
}

#[test]
fn checks_and_starts_that_shall_stop_end_with_1_also_with_last_good_rules() {
    let scene = Scene::new();
    let path = scene.path("broken.yaml");
    fs::write(&path, BROKEN).unwrap();
    let configured = format!("rules_files=[{}]", path.display());
    let file = path.display().to_string();
    for arguments in [
        &["-V", &file][..],
        &["-o", &configured, "--dry-run"],
        &["-r", &file],
        &["-o", &configured, "-o", "sensor.rules.broken=stop"],
    ] {
        let mut sensor = Command::new(programs::sensor());
        sensor.args([
            "-M",
            "60",
            "-o",
            "config_files=[]",
            "-o",
            "log_syslog=false",
        ]);
        sensor.args(["-o", &format!("sensor.instance={}", scene.text("lock"))]);
        sensor.args(["-o", &format!("sensor.state_dir={}", scene.text("state"))]);
        let output = sensor.args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("broken.yaml"), "{arguments:?}: {stderr}");
    }
}
