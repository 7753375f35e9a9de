//! Lines of a real sensor, under the shipped rules, through the ingest pipelines: what
//! `deploy/tests` checks with invented lines must hold for these lines too.

use std::{fs, path::Path, process::Command};

use tests::{Act, Container, Scene, Setup, elf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn the_pipelines_understand_what_a_real_sensor_writes() {
    let scene = Scene::new();
    // Two long arguments, because the kernel accepts none above 128 KiB.
    let long = "x".repeat(120 * 1024);
    let argv = ["boxed", "\u{1b}[31m", "\"q\" b\\s", "é", "", &long, &long];
    let container = Container::new(&scene, &argv);
    container.write("bin/boxed", &elf::native());
    let failed = Act::new().fail("/nowhere/at/all", libc::ENOENT, ["all"]);
    let actor = container.run(failed).start();
    // Execs of the host too: a rule of the test beside the two shipped ones.
    let rules = ["execve", "connect"].map(|name| {
        let file = Path::new(ROOT).join(format!("deploy/kubernetes/base/rules/{name}.yaml"));
        fs::read_to_string(file).expect("the shipped rules are there")
    });
    let sensor = Setup::watching(actor.pid())
        .option("sensor.capture.argv_limit", 256 * 1024)
        .option("engine.modern_ebpf.drop_failed_exit", false)
        .option("rule_matching", "all")
        .rules(&format!(
            "{}\n{}\n{}",
            rules[0],
            rules[1],
            include_str!("../harness/src/rules.yaml")
        ))
        .start();
    let _printed = actor.go();
    sensor.settle();
    let file = scene.path("lines.json");
    let lines = sensor.lines();
    assert!(lines.len() >= 3, "{lines:#?}");
    fs::write(&file, lines.join("\n") + "\n").expect("the lines can be written");
    drop(sensor.stop());

    let check = Command::new(Path::new(ROOT).join("deploy/tests/run"))
        .arg("test_pipelines")
        .env("SENSOR_LINES", &file)
        .output()
        .expect("deploy/tests/run can be started");
    assert!(
        check.status.success(),
        "{}{}",
        String::from_utf8_lossy(&check.stdout),
        String::from_utf8_lossy(&check.stderr)
    );
}
