//! What the sensor writes about itself is in a recording.

use std::process::Command;

use tests::{Cgroup, container, programs, recorder::Recorder};

/// Every connect of the machine.
const CONNECTS: &str = "
- rule: Connects
  desc: Every connect.
  condition: evt.type = connect
  output: '%evt.num %proc.name %fd.name %container.id'
  priority: INFO
";

#[test]
fn a_replay_writes_what_the_live_run_wrote_about_itself() {
    let options = [
        "sensor.kube.enabled=false",
        "sensor.fairness.rate=10",
        "sensor.fairness.burst=50",
    ];
    let live = Recorder::start(CONNECTS, &options);
    let cgroup = Cgroup::new(&format!("docker-{}.scope", container::id()));
    let mut storm = Command::new(programs::built("storm"));
    storm.args(["connects", "1", "2000", "--cgroup", &cgroup.procs()]);
    let status = programs::alone(|| storm.output());
    assert!(status.unwrap().status.success());
    let recorded = live.stop();
    let own = |lines: &[String]| {
        let own = lines
            .iter()
            .filter(|line| line.contains("Sensor internal: throttling"));
        own.count()
    };
    assert!(own(&recorded.lines) > 0, "{}", recorded.log);
    assert_eq!(recorded.replay(CONNECTS), recorded.lines);
    // In another form of lines, the same records are text.
    let mut text = Command::new(programs::sensor());
    text.arg("replay").arg(recorded.recording());
    text.args(["-o", "json_output=false"]);
    let text = String::from_utf8(text.output().unwrap().stdout).unwrap();
    let of_text: Vec<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(own(&of_text), own(&recorded.lines));
    assert!(!text.contains("\"rule\":\"Sensor internal"), "{text}");
}
