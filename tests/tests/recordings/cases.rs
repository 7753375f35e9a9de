//! Cases and explanations of recorded events.

use std::{fs, process::Command};

use serde_json::Value;
use tests::{
    programs,
    recorder::{Recorded, Recorder},
};

/// Rules about the execs with a mark, one of which reads an argument of a field.
fn rules(mark: &str) -> String {
    format!(
        "
- rule: Marked
  desc: A marked exec, whose parent is known.
  condition: evt.type = execve and proc.args startswith {mark} and proc.aname[1] exists
  output: 'marked %proc.args by %proc.aname[1] in %proc.cwd'
  priority: INFO
- rule: Other
  desc: Another exec.
  condition: evt.type = execve and proc.args startswith other-
  output: 'other'
  priority: INFO
"
    )
}

/// A recording of three execs with a mark. Tests run at the same time.
struct Scene {
    recorded: Recorded,
    mark: String,
}

impl Scene {
    fn new(test: &str) -> Self {
        let mark = format!("{test}-{}-", std::process::id());
        let live = Recorder::start(&rules(&mark), &["sensor.kube.enabled=false"]);
        for number in 0..3 {
            let argument = format!("{mark}{number}");
            let status = programs::alone(|| Command::new("/bin/true").arg(argument).status());
            assert!(status.unwrap().success());
        }
        let recorded = live.stop();
        Self { recorded, mark }
    }

    /// The number of the last exec, and the output of its line.
    fn last(&self) -> (u64, String) {
        let field = |rules: &str, name: &str| {
            let lines = self.recorded.replay(rules);
            let line: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
            (
                line["output"].as_str().unwrap().to_owned(),
                line["output_fields"][name].clone(),
            )
        };
        let (output, _) = field(&rules(&self.mark), "");
        let numbered = rules(&self.mark).replace("%proc.args", "%evt.num %proc.args");
        let (_, number) = field(&numbered, "evt.num");
        let output = output[output.find("marked").unwrap()..].to_owned();
        (number.as_u64().unwrap(), output)
    }
}

/// Runs `sensor` with arguments; returns whether it succeeded, and all that it wrote.
fn run(args: &[&str]) -> (bool, String) {
    let mut sensor = Command::new(programs::sensor());
    let output = programs::alone(|| sensor.args(args).output()).unwrap();
    let both = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&both).into_owned(),
    )
}

#[test]
fn a_case_takes_its_event_from_a_recording_by_number_or_by_condition() {
    let scene = Scene::new("chosen");
    let (number, output) = scene.last();
    let (recorded, mark) = (&scene.recorded, &scene.mark);
    let cases = format!(
        "
rules: rules.yaml
cases:
- name: by condition
  recording: events.rec
  where: proc.args startswith {mark}1
  match: Marked
  no_match: Other
- name: by number
  recording: events.rec
  number: {number}
  match: Marked
  no_match: '*'
  output: '{output}'
- name: with a change
  like: by number
  event: {{proc.args: other-1}}
  match: Other
  no_match: Marked
"
    );
    let file = recorded.path("rules.test.yaml");
    fs::write(&file, cases).unwrap();
    let (passed, said) = run(&["test", file.to_str().unwrap(), "--coverage"]);
    assert!(passed, "{said}");
    assert!(said.contains("3 cases passed, 0 failed"), "{said}");
}

#[test]
fn a_case_whose_event_is_not_there_fails_and_says_why() {
    let scene = Scene::new("missing");
    let recorded = &scene.recorded;
    let cases = "
rules: rules.yaml
cases:
- {name: a, recording: events.rec, number: 987654321, no_match: Other}
- {name: b, recording: events.rec, where: proc.name = no-such-program, no_match: Other}
- {name: c, recording: events.rec, where: proc.nam = x, no_match: Other}
- {name: d, recording: none.rec, number: 1, no_match: Other}
- {name: e, recording: rules.yaml, number: 1, no_match: Other}
- {name: f, event: {evt.type: execve}, no_match: Other}
";
    let file = recorded.path("rules.test.yaml");
    fs::write(&file, cases).unwrap();
    let (passed, said) = run(&["test", file.to_str().unwrap()]);
    assert!(!passed, "{said}");
    for expected in [
        "events.rec has no event with the number 987654321",
        "events.rec has no event that matches 'proc.name = no-such-program'",
        "proc.nam",
        "none.rec",
        "rules.yaml is no recording of a sensor",
        "1 cases passed, 5 failed",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    for (case, expected) in [
        (
            "{name: a, recording: events.rec, no_match: Other}",
            "either the 'number'",
        ),
        (
            "{name: a, event: {evt.type: execve}, number: 3, no_match: Other}",
            "of a 'recording'",
        ),
        (
            "{name: a, recording: events.rec, number: x, no_match: Other}",
            "evt.num",
        ),
    ] {
        fs::write(&file, format!("rules: rules.yaml\ncases:\n- {case}\n")).unwrap();
        let (passed, said) = run(&["test", file.to_str().unwrap()]);
        assert!(!passed && said.contains(expected), "{case}: {said}");
    }
}

#[test]
fn explain_reads_recordings() {
    let scene = Scene::new("explained");
    let (number, _) = scene.last();
    let recorded = &scene.recorded;
    let rules = recorded.path("rules.yaml");
    let recording = recorded.recording();
    let args = [
        "explain",
        "Marked",
        recording.to_str().unwrap(),
        "-r",
        rules.to_str().unwrap(),
    ];
    let (passed, said) = run(&args);
    assert!(passed, "{said}");
    let first = format!("event {number}: rule 'Marked' matches");
    assert!(said.contains(&first), "{said}");
    assert!(said.contains("+ proc.aname[1] exists"), "{said}");
    assert!(!said.contains("has no proc.aname"), "{said}");
    let other = [
        "explain",
        "Other",
        recording.to_str().unwrap(),
        "-r",
        rules.to_str().unwrap(),
    ];
    let (_, said) = run(&other);
    let not = format!(
        "event {number}: rule 'Other' does not match: 'proc.args startswith other-' is false, the value is \"explained-"
    );
    assert!(said.contains(&not), "{said}");
}
