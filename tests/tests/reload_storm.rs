//! Rules that change while a storm of execs goes on.

use std::{collections::BTreeMap, thread};

use tests::{Act, Event, Scene, Setup, programs, sensor::wait_for};

/// More execs than the reloads take, also on busy CPUs: there a reload has to wait for its turn,
/// and the storm continues meanwhile.
const EXECS: usize = 30_000;
const WORKERS: usize = 2;
const RELOADS: usize = 50;
/// Fewest lines between two reloads.
const BETWEEN: u64 = 32 << 10;

/// A rule set that names itself in its lines. It has more than one rule, so that the compiler has
/// work; only the last rule matches.
fn rules(name: &str) -> String {
    let quiet = (0..20).map(|n| {
        format!(
            "- rule: quiet {n}\n  desc: d\n  condition: evt.type = execve and proc.name = none{n}\n  \
             output: '%proc.name'\n  priority: DEBUG\n"
        )
    });
    let last = format!(
        "- rule: {name}\n  desc: d\n  condition: evt.type = execve and proc.name = tiny\n  \
         output: '%proc.args %proc.pid'\n  priority: DEBUG\n"
    );
    quiet.chain([last]).collect()
}

/// Worker and round of each event, with the rule that wrote it.
fn by_exec(events: &[Event]) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events {
        let rule = event.0["rule"].as_str().expect("a rule has a name");
        all.entry(event.text("proc.args")).or_default().push(rule);
    }
    all
}

#[test]
fn fifty_reloads_in_a_storm_of_execs_write_each_event_once_by_the_old_or_the_new_rules() {
    let scene = Scene::new();
    let tiny = scene.program("tiny");
    let storm = programs::built("storm");
    let (workers, execs) = (WORKERS.to_string(), EXECS.to_string());
    let argv = ["storm", "execs", &workers, &execs, tiny.to_str().unwrap()];
    let actor = Act::new().exec(&storm, argv).start();
    let sets = [rules("even"), rules("odd")];
    let sensor = Setup::watching(actor.pid()).rules(&sets[0]).start();
    let storm = thread::spawn(move || actor.go());
    let mut last = sensor.written();
    for reload in 1..=RELOADS {
        assert!(
            wait_for(|| sensor.written() >= last + BETWEEN || storm.is_finished()),
            "nothing is written before reload {reload}:\n{}",
            sensor.stderr()
        );
        last = sensor.written();
        sensor.reload(&sets[reload % 2]);
    }
    assert!(
        !storm.is_finished(),
        "the storm was over before the reloads"
    );
    storm.join().unwrap();
    let seen = sensor.stop();

    let all = by_exec(&seen.events);
    let expected = seen.counters().all_or_skipped(EXECS, &["process_exec"]);
    assert!(expected.contains(&all.len()), "{} written", all.len());
    let several: Vec<_> = all.iter().filter(|(_, rules)| rules.len() != 1).collect();
    assert!(several.is_empty(), "written more than once: {several:?}");
    let rules: Vec<_> = seen.events.iter().map(|event| &event.0["rule"]).collect();
    assert!(rules.iter().all(|rule| *rule == "even" || *rule == "odd"));
    let changes = rules.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, RELOADS, "each set took over once, for good");
    let counters = seen.counters();
    counters.assert_complete();
    assert_eq!(counters.lost(), 0, "{}", seen.stderr);
    assert_eq!(counters.user("matched"), all.len() as u64);
}
