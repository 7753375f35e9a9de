//! Rules that compare an address with a domain name: the sensor resolves the names by a server of the
//! test's own, in namespaces of the test's own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{fs, net::UdpSocket, process::Command, thread, time::Duration};

use rustix::{
    mount::{MountPropagationFlags, mount_bind, mount_change},
    thread::UnshareFlags,
};
use serde_json::json;
use tests::{
    Act, Event, Scene, Sensor, Setup, connects::tcp, names::NameServer, programs, sensor::wait_for,
};

const API: &str = "kubernetes.default.svc.cluster.local";

/// Moves this thread into namespaces of its own, with a loopback interface and a resolver that asks
/// only the server on loopback.
fn enter_namespaces(scene: &Scene) {
    // SAFETY: no other thread shares anything with this one that these namespaces would take away.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }.unwrap();
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", private).unwrap();
    for (name, text) in [
        ("hosts", "127.0.0.1 localhost\n192.0.2.99 in-hosts\n"),
        (
            "resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        ),
    ] {
        let path = scene.path(name);
        fs::write(&path, text).unwrap();
        mount_bind(path, format!("/etc/{name}")).unwrap();
    }
    let mut up = Command::new("ip");
    up.args(["link", "set", "lo", "up"]);
    assert!(programs::spawn(&mut up).wait().unwrap().success());
}

/// Connects to an address without a route, by a process of that name.
fn connect(scene: &Scene, name: &str, address: &str) {
    let steps = Act::new().just("net-namespace").and(tcp(libc::AF_INET));
    let steps = steps.connect(&format!("{address}:443"), libc::ENETUNREACH);
    let path = scene.path(name);
    let path = if path.exists() {
        path
    } else {
        scene.actor(name)
    };
    let _ = Act::new().exec_actor(path, steps).start().go();
}

/// Waits until a connect to an address matches a rule.
fn wait_for_match(scene: &Scene, sensor: &Sensor, name: &str, address: &str, rule: &str) -> Event {
    let mut found = None;
    let in_time = wait_for(|| {
        connect(scene, name, address);
        sensor.settle();
        found = matches(sensor, name, address).pop();
        found.as_ref().is_some_and(|event| event.0["rule"] == rule)
    });
    assert!(
        in_time,
        "{address} does not match {rule}: {found:#?}\n{}",
        sensor.stderr()
    );
    found.unwrap()
}

/// The connects of a process to an address.
fn matches(sensor: &Sensor, name: &str, address: &str) -> Vec<Event> {
    let lines = sensor.lines();
    let events = lines.iter().map(|line| Event::parse(line));
    let events = events.filter(|event| !event.is_internal());
    let events =
        events.filter(|event| event.field("proc.name") == name && event.field("fd.sip") == address);
    events.collect()
}

/// Rules for the connects of a process: to the server of a name, and to all others.
fn rules(process: &str) -> String {
    let rule = |name: &str, condition: &str| {
        format!(
            "- {{rule: {name}, desc: d, condition: 'evt.type = connect and proc.name = {process} and {condition}', output: '%proc.name %fd.sip %fd.sip.name %fd.rip.name %fd.cip.name', priority: INFO}}\n"
        )
    };
    [
        rule("Nowhere", "fd.sip.name = nowhere.invalid"),
        rule("Api", &format!("fd.sip.name = \"{API}\"")),
        rule("List", "fd.rip.name in (second.test, in-hosts)"),
        rule("Not", &format!("fd.sip.name != \"{API}\"")),
    ]
    .concat()
}

#[test]
fn a_rule_on_a_name_follows_the_addresses_of_the_name() {
    // In a thread of its own, since the namespaces are those of a thread.
    let test = thread::spawn(|| {
        let (scene, process) = (Scene::new(), "dom-follow");
        enter_namespaces(&scene);
        let server = NameServer::default();
        server.set(API, Some([192, 0, 2, 1]));
        server.set("second.test", Some([192, 0, 2, 3]));
        server.start("127.0.0.1:53");
        let sensor = Setup::of_the_machine()
            .rules(&rules(process))
            .option("sensor.dns.refresh", "1s")
            .start();
        let is =
            |address: &str, rule: &str| wait_for_match(&scene, &sensor, process, address, rule);
        is("192.0.2.1", "Api").assert_fields(&json!({
            "fd.sip.name": API, "fd.rip.name": API, "fd.cip.name": null,
        }));
        is("192.0.2.3", "List").assert_fields(&json!({"fd.sip.name": "second.test"}));
        is("192.0.2.99", "List").assert_fields(&json!({"fd.sip.name": "in-hosts"}));
        is("192.0.2.4", "Not").assert_fields(&json!({"fd.sip.name": null}));

        server.set(API, Some([192, 0, 2, 2]));
        is("192.0.2.2", "Api");
        is("192.0.2.1", "Not");

        // A server that fails takes no address away.
        server.set(API, None);
        let before = server.asked(API);
        assert!(wait_for(|| server.asked(API) >= before + 2));
        is("192.0.2.2", "Api");

        let other = rules(process).replace(API, "third.test");
        server.set("third.test", Some([192, 0, 2, 5]));
        sensor.reload(&other);
        is("192.0.2.5", "Api");
        is("192.0.2.2", "Not");

        assert!(wait_for(|| server.asked("nowhere.invalid") > 2));
        let seen = sensor.stop();
        let said = seen.stderr.matches("nowhere.invalid").count();
        assert_eq!(said, 1, "{}", seen.stderr);
        let failed = "cannot be resolved";
        assert_eq!(seen.stderr.matches(failed).count(), 2, "{}", seen.stderr);
        seen.counters().assert_complete();
    });
    test.join().unwrap();
}

#[test]
fn a_server_that_never_answers_delays_no_event() {
    let test = thread::spawn(|| {
        let (scene, process) = (Scene::new(), "dom-silent");
        enter_namespaces(&scene);
        // The socket takes the queries, and nobody reads them.
        let _silent = UdpSocket::bind("127.0.0.1:53").unwrap();
        let sensor = Setup::of_the_machine().rules(&rules(process)).start();
        let begin = std::time::Instant::now();
        wait_for_match(&scene, &sensor, process, "192.0.2.4", "Not");
        assert!(begin.elapsed() < Duration::from_secs(5));
        sensor.stop().counters().assert_complete();
    });
    test.join().unwrap();
}
