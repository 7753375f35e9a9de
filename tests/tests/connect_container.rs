//! Connects in a real container.

use std::collections::HashMap;

use tests::{Act, Container, Event, Scene, programs};

#[test]
fn twenty_thousand_connects_in_a_container_are_twenty_thousand_right_lines() {
    const CONNECTS: usize = 20_000;
    let scene = Scene::new();
    let container = Container::new(&scene, &["storm", "connects", "2", &CONNECTS.to_string()]);
    container.add("bin/storm", &programs::built("storm"));
    let rules = tests::connects::RULES.replace(
        "evt.type = connect",
        "evt.type = connect and container.id != host and proc.name = storm",
    );
    // 20,000 connects take half a second, and the scheduler gives a container CPU time of its own:
    // with `sched_autogroup` it delayed the sensor by 350 ms. With 32 MiB this has no influence on
    // whether lines are right; `cargo xtask bench connect` measures how many are lost.
    let (seen, ..) = scene.act_under(container.run(Act::new()), |setup| {
        let setup = setup.rules(&rules);
        setup.option("engine.modern_ebpf.buf_size_preset", 6)
    });

    let programs = ["fexit_connect", "exit_connect", "exit_connect_raw"];
    let all = |count| seen.counters().all_or_skipped(count, &programs);
    let count = seen.events.len();
    assert!(all(CONNECTS).contains(&count), "{count}: {}", seen.stderr);
    let ours = |event: &Event| event.field("container.id") == container.short_id();
    assert!(seen.events.iter().all(ours));
    // (destination, program, result): count.
    let mut kinds: HashMap<(String, String, String), usize> = HashMap::new();
    for event in &seen.events {
        let text = |name| event.text(name).to_owned();
        let remote = format!("{}:{}", event.text("fd.sip"), event.number("fd.sport"));
        *kinds
            .entry((remote, text("fd.l4proto"), text("evt.res")))
            .or_default() += 1;
        assert!(event.number("fd.lport") > 0, "{event:#?}");
    }
    let each = CONNECTS / 5;
    let expected = [
        ("127.0.0.1:8081", "tcp", "ECONNREFUSED"),
        ("127.0.0.1:8080", "tcp", "SUCCESS"),
        ("127.0.0.2:8080", "tcp", "SUCCESS"),
        ("127.0.0.3:8080", "tcp", "SUCCESS"),
        ("127.0.0.1:8081", "udp", "SUCCESS"),
    ];
    assert_eq!(kinds.len(), expected.len(), "{kinds:#?}");
    for (to, protocol, result) in expected {
        let kind = (to.to_owned(), protocol.to_owned(), result.to_owned());
        let count = kinds.get(&kind).copied().unwrap_or_default();
        assert!(all(each).contains(&count), "{kinds:#?}");
    }
    assert_eq!(seen.counters().lost(), 0, "{}", seen.stderr);
}
