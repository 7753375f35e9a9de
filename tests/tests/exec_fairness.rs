//! The budget: one container floods, another one is quiet.

use std::collections::BTreeSet;

use tests::{Act, Container, Event, Scene, Seen, elf, programs};

const LOUD: usize = 10_000;
const QUIET: usize = 300;

/// A storm of execs in one container beside a short one in another; returns the sensor's output,
/// and the short ids of both containers.
fn loud_and_quiet(options: &[(&str, u32)]) -> (Seen, String, String) {
    let scene = Scene::new();
    let container = |workers: &str, execs: usize, program: &str| {
        let path = format!("/bin/{program}");
        let container = Container::new(
            &scene,
            &["storm", "execs", workers, &execs.to_string(), &path],
        );
        container.add("bin/storm", &programs::built("storm"));
        container.write(&path[1..], &elf::native());
        container
    };
    let loud = container("2", LOUD, "bomb");
    let quiet = container("1", QUIET, "quiet");
    let act = quiet.run(loud.run_beside(Act::new()));
    let (seen, ..) = scene.act_under(act, |setup| {
        let setup = setup.rules(include_str!("../harness/src/default.yaml"));
        options
            .iter()
            .fold(setup, |setup, (key, value)| setup.option(key, value))
    });
    let ids = [loud, quiet].map(|container| container.short_id().to_owned());
    let [loud, quiet] = ids;
    (seen, loud, quiet)
}

fn of<'a>(seen: &'a Seen, program: &str) -> Vec<&'a Event> {
    let events = seen.events.iter();
    events
        .filter(|event| event.field("proc.name") == program)
        .collect()
}

/// The internal records with that name.
fn records<'a>(seen: &'a Seen, rule: &str) -> Vec<&'a Event> {
    let own = seen.internal.iter();
    own.filter(|record| record.0["rule"] == rule).collect()
}

#[test]
fn a_container_that_floods_is_throttled_and_the_other_one_loses_nothing() {
    let budget = [
        ("sensor.fairness.rate", 20),
        ("sensor.fairness.burst", 1000),
    ];
    let (seen, loud, quiet) = loud_and_quiet(&budget);

    let calm: BTreeSet<_> = of(&seen, "quiet")
        .into_iter()
        .inspect(|event| assert_eq!(event.text("container.id"), quiet))
        .map(|event| event.text("proc.args").to_owned())
        .collect();
    let all = |count| seen.counters().all_or_skipped(count, &["process_exec"]);
    assert!(all(QUIET).contains(&calm.len()), "{}", seen.stderr);

    let written = of(&seen, "bomb").len();
    assert!((1000..LOUD / 2).contains(&written), "{written} of the bomb");
    let throttled = usize::try_from(seen.counters().kernel("throttled")).unwrap();
    let loud_ones = written + throttled;
    assert!(all(LOUD).contains(&loud_ones), "{}", seen.stderr);
    assert_eq!(seen.counters().kernel("ring_full"), 0);

    let began = records(&seen, "Sensor internal: throttling");
    let ended = records(&seen, "Sensor internal: throttling ended");
    assert_eq!((began.len(), ended.len()), (1, 1), "{:#?}", seen.internal);
    for record in [began[0], ended[0]] {
        assert_eq!(record.text("container.id"), loud);
    }
    for field in ["sensor.throttled.events", "sensor.throttled.exec"] {
        let counted = usize::try_from(ended[0].number(field)).unwrap();
        assert_eq!(counted, throttled, "{field}");
    }
}

#[test]
fn without_a_limit_nobody_is_throttled() {
    let (seen, ..) = loud_and_quiet(&[("sensor.fairness.rate", 0)]);
    let both = of(&seen, "bomb").len() + of(&seen, "quiet").len();
    let all = seen
        .counters()
        .all_or_skipped(LOUD + QUIET, &["process_exec"]);
    assert!(all.contains(&both), "{both}: {}", seen.stderr);
    assert_eq!(seen.counters().kernel("throttled"), 0);
}

#[test]
fn a_few_huge_command_lines_use_up_a_budget_as_many_small_ones_do() {
    const EXECS: usize = 20;
    let scene = Scene::new();
    let tool = scene.program("huge");
    let argument = "x".repeat(30_000);
    let steps = |act: Act, _| act.then("spawn", [&tool]).argv(["huge", &argument]);
    let act = (0..EXECS).fold(Act::new(), steps);
    let (seen, ..) = scene.act_under(act, |setup| {
        let setup = setup.option("sensor.fairness.rate", 1);
        setup.option("sensor.fairness.burst", 2 * EXECS)
    });
    let written = of(&seen, "huge").len();
    assert!((1..EXECS / 2).contains(&written), "{written} written");
    let throttled = usize::try_from(seen.counters().kernel("throttled")).unwrap();
    assert_eq!(written + throttled, EXECS, "{}", seen.stderr);
}
