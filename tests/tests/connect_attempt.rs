//! Attempts that are interrupted, denied, made by other calls than `connect`, or whose address
//! another thread rewrites: one event each.

use libc::AF_INET;
use serde_json::json;
use tests::{
    Act, Event,
    connects::{check, tcp, udp},
};

/// A listener as descriptor 99 with a full queue: another connect to it waits.
fn full_listener() -> Act {
    Act::new()
        .then("listen", ["99", "127.0.0.1:80", "0"])
        .and(tests::connects::socket(98, AF_INET, libc::SOCK_STREAM, 0))
        .then("connect", ["98", "127.0.0.1:80", "0"])
}

/// Checks that the source is the one that the socket names, or has no port.
fn assert_source(event: &Event, name: &str) {
    let (local, remote) = name.split_once("->").expect("two endpoints");
    let (ip, _) = local.rsplit_once(':').expect("address and port");
    event.assert_fields(&json!({
        "fd.name": format!("{ip}:0->{remote}"), "fd.lip": ip, "fd.lport": null,
    }));
}

#[test]
fn an_interrupted_connect_that_the_kernel_restarts_is_one_event() {
    check(
        |_| {
            full_listener()
                .and(tcp(AF_INET))
                .then("connect-interrupted", ["100", "127.0.0.1:80", "99", "1"])
                .endpoints()
        },
        |connects| {
            let [_, event] = connects.events();
            event.assert_fields(&json!({
                "evt.res": "EINPROGRESS", "fd.name": connects.name(), "fd.num": 100,
                "fd.connected": true, "fd.name_changed": true,
            }));
        },
    );
}

#[test]
fn an_interrupted_connect_that_ends_with_eintr_is_an_attempt_under_way() {
    check(
        |_| {
            full_listener()
                .and(tcp(AF_INET))
                .then("connect-interrupted", ["100", "127.0.0.1:80", "99", "0"])
                .then("wait-connected", ["100"])
                .endpoints()
        },
        |connects| {
            let [_, event] = connects.events();
            event.assert_fields(&json!({
                "evt.res": "EINPROGRESS", "fd.name": connects.name(), "fd.connected": true,
            }));
        },
    );
}

#[test]
fn a_socket_after_an_interrupted_one_is_not_taken_for_it() {
    // The kernel gives the memory of the closed socket to the new one.
    check(
        |_| {
            full_listener()
                .and(tcp(AF_INET))
                .then("connect-interrupted", ["100", "127.0.0.1:80", "99", "0"])
                .then("close", ["100"])
                .and(tcp(AF_INET))
                .connect("192.0.2.1:443", libc::ENETUNREACH)
        },
        |connects| {
            let [_, _, event] = connects.events();
            event.assert_fields(&json!({
                "evt.res": "ENETUNREACH", "fd.name": "->192.0.2.1:443", "fd.lport": null,
            }));
        },
    );
}

#[test]
fn a_destination_that_another_thread_rewrites_is_the_one_that_the_kernel_used() {
    check(
        |_| {
            full_listener().and(tcp(AF_INET)).then(
                "connect-rewritten",
                ["100", "127.0.0.1:80", "192.0.2.66:6666", "99"],
            )
        },
        |connects| {
            let [_, event] = connects.events();
            event.assert_fields(&json!({
                "evt.res": "ECONNREFUSED", "fd.sip": "127.0.0.1", "fd.sport": 80,
                "fd.rip": "127.0.0.1", "fd.rport": 80, "evt.arg.addr": "192.0.2.66:6666",
            }));
        },
    );
}

#[test]
fn a_connect_that_seccomp_denies_is_eperm_where_tracepoints_are_hooked() {
    check(
        |_| {
            tcp(AF_INET)
                .just("deny-connect")
                .connect("192.0.2.1:80", libc::EPERM)
        },
        |connects| {
            if connects.hooks == "fexit" {
                // The kernel does not call the function that the sensor hooks.
                return assert!(connects.seen.events.is_empty(), "{:#?}", connects.seen);
            }
            connects.one().assert_fields(&json!({
                "evt.rawres": -libc::EPERM, "evt.res": "EPERM", "fd.name": "->192.0.2.1:80",
                "fd.sip": "192.0.2.1", "evt.arg.addr": "192.0.2.1:80",
            }));
        },
    );
}

/// One event of an attempt that no `connect` call made.
fn check_without_call(step: &'static str, result: Option<&'static str>) {
    check(
        |_| {
            Act::new()
                .listen(99, "127.0.0.1:80")
                .and(tcp(AF_INET))
                .then(step, ["100", "127.0.0.1:80"].into_iter().chain(result))
                .endpoints()
        },
        |connects| {
            let event = connects.one();
            assert_source(event, &connects.name());
            event.assert_fields(&json!({
                "evt.type": "connect", "evt.res": "EINPROGRESS", "fd.num": null,
                "fd.sip": "127.0.0.1", "fd.sport": 80, "fd.l4proto": "tcp", "fd.type": "ipv4",
                "fd.connected": true, "fd.name_changed": true,
                "proc.pid": connects.pid, "proc.name": "actor",
            }));
            assert!(event.number("fd.ino") > 0);
        },
    );
}

#[test]
fn a_connect_through_io_uring_is_seen() {
    check_without_call("connect-ring", Some("0"));
}

#[test]
fn a_connect_by_an_io_uring_worker_is_its_owners() {
    check_without_call("connect-ring-worker", Some("0"));
}

#[test]
fn tcp_fast_open_by_sendto_is_seen() {
    check_without_call("send-fast-open", None);
}

#[test]
fn tcp_fast_open_by_sendmsg_is_seen() {
    check_without_call("send-message-fast-open", None);
}

#[test]
fn an_attempt_without_call_from_a_bound_port_has_it() {
    check(
        |_| {
            Act::new()
                .listen(99, "127.0.0.1:80")
                .and(tcp(AF_INET))
                .then("bind-socket", ["100", "127.0.0.1:4321"])
                .then("connect-ring", ["100", "127.0.0.1:80", "0"])
        },
        |connects| {
            connects
                .one()
                .assert_fields(&json!({"fd.name": "127.0.0.1:4321->127.0.0.1:80"}));
        },
    );
}

#[test]
fn a_refused_attempt_through_io_uring_is_seen_too() {
    check(
        |_| {
            let errno = libc::ECONNREFUSED.to_string();
            tcp(AF_INET).then("connect-ring", ["100", "127.0.0.1:81", &errno])
        },
        |connects| {
            connects
                .one()
                .assert_fields(&json!({"fd.sip": "127.0.0.1", "fd.sport": 81}));
        },
    );
}

#[test]
fn a_datagram_of_an_unconnected_socket_is_not_seen() {
    check(
        |_| udp(AF_INET).then("send-unconnected", ["100", "127.0.0.1:53"]),
        |connects| assert!(connects.seen.events.is_empty(), "{:#?}", connects.seen),
    );
}

#[test]
fn a_connect_on_a_connected_socket_by_a_thread_names_that_thread() {
    check(
        |_| {
            tcp(AF_INET)
                .just("thread")
                .connect("127.0.0.1:81", libc::ECONNREFUSED)
        },
        |connects| {
            let event = connects.one();
            event.assert_fields(&json!({"proc.pid": connects.pid}));
            assert_ne!(event.number("thread.tid"), i64::from(connects.pid));
        },
    );
}
