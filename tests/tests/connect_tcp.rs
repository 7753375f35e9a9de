//! TCP connects: both endpoints, with every result.

use libc::{AF_INET, AF_INET6};
use serde_json::json;
use tests::{
    Act, Event,
    connects::{check, tcp},
};

/// Address and port of the endpoints `a->b`.
fn endpoints(name: &str) -> [(&str, i64); 2] {
    let (local, remote) = name.split_once("->").expect("two endpoints");
    [local, remote].map(|end| {
        let (ip, port) = end.rsplit_once(':').expect("address and port");
        (ip, port.parse().expect("a port"))
    })
}

/// Checks all fields with the endpoints.
fn assert_endpoints(event: &Event, name: &str) {
    let [(local, local_port), (remote, remote_port)] = endpoints(name);
    event.assert_fields(&json!({
        "fd.name": name,
        "evt.arg.tuple": name,
        "fd.cip": local, "fd.lip": local, "fd.cport": local_port, "fd.lport": local_port,
        "fd.sip": remote, "fd.rip": remote, "fd.sport": remote_port, "fd.rport": remote_port,
        "fd.cproto": local_port.to_string(), "fd.sproto": remote_port.to_string(),
    }));
}

/// A setting that leaves the kernel one port to choose.
fn one_port() -> Act {
    let range = "/proc/sys/net/ipv4/ip_local_port_range";
    Act::new().then("write", [range, "5000 5000"])
}

#[test]
fn an_accepted_connect_has_the_endpoints_that_the_socket_names() {
    let act = || {
        Act::new()
            .listen(99, "127.0.0.1:80")
            .and(tcp(AF_INET))
            .connect("127.0.0.1:80", 0)
            .endpoints()
    };
    check(
        |_| act(),
        |connects| {
            let event = connects.one();
            assert_endpoints(event, &connects.name());
            event.assert_fields(&json!({
                "evt.type": "connect", "evt.category": "net",
                "evt.rawres": 0, "evt.res": "SUCCESS", "evt.failed": false, "evt.arg.res": "0",
                "evt.arg.fd": "100", "evt.arg.addr": "127.0.0.1:80",
                "fd.num": 100, "fd.type": "ipv4", "fd.typechar": "4", "fd.l4proto": "tcp",
                "fd.sockfamily": "ip", "fd.connected": true, "fd.name_changed": true,
                "fd.is_server": true,
                "proc.pid": connects.pid, "proc.name": "actor", "container.id": "host",
            }));
            assert!(event.number("fd.ino") > 0);
        },
    );
}

#[test]
fn a_non_blocking_connect_is_one_attempt_with_its_endpoints_and_later_calls_add_none() {
    let act = || {
        Act::new()
            .listen(99, "127.0.0.1:80")
            .and(tcp(AF_INET))
            .then("nonblocking", ["100"])
            .connect("127.0.0.1:80", libc::EINPROGRESS)
            .then("wait-connected", ["100"])
            .connect("127.0.0.1:80", 0)
            .connect("127.0.0.1:80", libc::EISCONN)
            .endpoints()
    };
    check(
        |_| act(),
        |connects| {
            let [attempt, second, third] = connects.events();
            for event in [attempt, second, third] {
                assert_endpoints(event, &connects.name());
                event.assert_fields(&json!({"fd.l4proto": "tcp", "evt.arg.addr": "127.0.0.1:80"}));
            }
            attempt.assert_fields(&json!({
                "evt.rawres": -libc::EINPROGRESS, "evt.res": "EINPROGRESS", "evt.failed": true,
                "fd.connected": true, "fd.name_changed": true,
            }));
            second.assert_fields(&json!({
                "evt.rawres": 0, "fd.connected": true, "fd.name_changed": false,
            }));
            third.assert_fields(&json!({
                "evt.res": "EISCONN", "fd.connected": false, "fd.name_changed": false,
            }));
        },
    );
}

#[test]
fn a_refused_connect_keeps_its_destination_and_its_source() {
    check(
        |_| {
            tcp(AF_INET)
                .then("bind-socket", ["100", "127.0.0.7:4321"])
                .connect("127.0.0.1:81", libc::ECONNREFUSED)
        },
        |connects| {
            let event = connects.one();
            assert_endpoints(event, "127.0.0.7:4321->127.0.0.1:81");
            event.assert_fields(&json!({
                "evt.rawres": -libc::ECONNREFUSED, "evt.res": "ECONNREFUSED",
                "evt.arg.res": "ECONNREFUSED", "evt.arg.addr": "127.0.0.1:81",
                "fd.type": "ipv4", "fd.l4proto": "tcp",
                "fd.connected": false, "fd.name_changed": false,
            }));
        },
    );
}

#[test]
fn a_refused_connect_has_the_port_that_the_kernel_chose_for_it() {
    check(
        |_| {
            one_port()
                .and(tcp(AF_INET))
                .connect("127.0.0.1:81", libc::ECONNREFUSED)
        },
        |connects| assert_endpoints(connects.one(), "127.0.0.1:5000->127.0.0.1:81"),
    );
}

/// A non-blocking socket whose attempt is refused before the call returns: the event has both
/// endpoints all the same, also for a second attempt.
fn check_refused_at_once(family: i32, ip: &str) {
    let to = |port: u16| match family {
        AF_INET6 => format!("[{ip}]:{port}"),
        _ => format!("{ip}:{port}"),
    };
    check(
        |_| {
            tcp(family)
                .then("nonblocking", ["100"])
                .connect(&to(81), libc::EINPROGRESS)
                .endpoints()
                .connect(&to(81), libc::ECONNREFUSED)
                .connect(&to(82), libc::EINPROGRESS)
                .endpoints()
        },
        |connects| {
            let [first, result, second] = connects.events();
            // The socket is closed, so it names only its own endpoint.
            let name = |at: usize, port: u16| {
                let (local, peer) = &connects.endpoints[at];
                assert_eq!(peer, "-");
                format!("{local}->{ip}:{port}")
            };
            for (event, name) in [(first, name(0, 81)), (second, name(1, 82))] {
                assert_endpoints(event, &name);
                assert!(event.number("fd.lport") > 0, "{name}");
                event.assert_fields(&json!({
                    "evt.res": "EINPROGRESS", "fd.connected": true, "fd.name_changed": true,
                }));
            }
            result.assert_fields(&json!({
                "evt.res": "ECONNREFUSED", "fd.rip": ip, "fd.rport": 81,
            }));
        },
    );
}

#[test]
fn a_non_blocking_connect_that_is_refused_at_once_has_the_port_that_the_kernel_chose_for_it() {
    check_refused_at_once(AF_INET, "127.0.0.1");
}

#[test]
fn a_non_blocking_tcp6_connect_that_is_refused_at_once_has_its_endpoints() {
    check_refused_at_once(AF_INET6, "::1");
}

#[test]
fn a_second_attempt_of_a_refused_socket_has_its_own_endpoints() {
    check(
        |_| {
            one_port()
                .and(tcp(AF_INET))
                .connect("127.0.0.1:81", libc::ECONNREFUSED)
                .connect("192.0.2.1:82", libc::ENETUNREACH)
                .connect("127.0.0.2:83", libc::ECONNREFUSED)
        },
        |connects| {
            let [first, unreachable, second] = connects.events();
            assert_endpoints(first, "127.0.0.1:5000->127.0.0.1:81");
            assert_endpoints(second, "127.0.0.1:5000->127.0.0.2:83");
            unreachable.assert_fields(&json!({
                "fd.name": "->192.0.2.1:82", "fd.lip": null, "fd.lport": null,
                "fd.rip": "192.0.2.1", "fd.rport": 82,
            }));
        },
    );
}

#[test]
fn a_connect_without_a_route_keeps_its_destination() {
    check(
        |_| tcp(AF_INET).connect("192.0.2.1:443", libc::ENETUNREACH),
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": -libc::ENETUNREACH, "evt.res": "ENETUNREACH",
                "fd.name": "->192.0.2.1:443", "fd.l4proto": "tcp",
                "fd.sip": "192.0.2.1", "fd.rip": "192.0.2.1", "fd.sport": 443, "fd.rport": 443,
                "fd.cip": null, "fd.lip": null, "fd.cport": null, "fd.lport": null,
                "fd.connected": false, "fd.is_server": false,
                "evt.arg.addr": "192.0.2.1:443",
            }));
        },
    );
}

#[test]
fn a_connect_to_port_0_is_refused_there() {
    check(
        |_| tcp(AF_INET).connect("127.0.0.1:0", libc::ECONNREFUSED),
        |connects| {
            let event = connects.one();
            event.assert_fields(&json!({
                "evt.res": "ECONNREFUSED", "fd.sip": "127.0.0.1", "fd.sport": 0,
                "evt.arg.addr": "127.0.0.1:0",
            }));
            assert!(event.text("fd.name").ends_with("->127.0.0.1:0"));
        },
    );
}

#[test]
fn a_connect_to_0_0_0_0_goes_to_the_loopback_address() {
    check(
        |_| {
            Act::new()
                .listen(99, "127.0.0.1:80")
                .and(tcp(AF_INET))
                .connect("0.0.0.0:80", 0)
                .endpoints()
        },
        |connects| {
            assert_endpoints(connects.one(), &connects.name());
            connects.one().assert_fields(
                &json!({"fd.sip": "127.0.0.1", "evt.arg.addr": "0.0.0.0:80", "fd.l4proto": "tcp"}),
            );
        },
    );
}

#[test]
fn tcp6_has_its_endpoints_without_brackets() {
    check(
        |_| {
            Act::new()
                .listen(99, "[::1]:80")
                .and(tcp(AF_INET6))
                .connect("[::1]:80", 0)
                .endpoints()
        },
        |connects| {
            assert_endpoints(connects.one(), &connects.name());
            connects.one().assert_fields(&json!({
                "fd.type": "ipv6", "fd.typechar": "6", "fd.l4proto": "tcp", "fd.sockfamily": "ip",
                "fd.sip": "::1", "evt.arg.addr": "::1:80", "fd.is_server": true,
            }));
        },
    );
}

#[test]
fn a_refused_tcp6_connect_keeps_its_endpoints() {
    check(
        |_| {
            one_port()
                .and(tcp(AF_INET6))
                .connect("[::1]:81", libc::ECONNREFUSED)
        },
        |connects| assert_endpoints(connects.one(), "::1:5000->::1:81"),
    );
}

#[test]
fn an_ipv4_address_mapped_into_ipv6_is_ipv4() {
    check(
        |_| {
            Act::new()
                .listen(99, "127.0.0.1:80")
                .and(tcp(AF_INET6))
                .connect("[::ffff:127.0.0.1]:80", 0)
                .endpoints()
        },
        |connects| {
            assert_endpoints(connects.one(), &connects.name());
            connects.one().assert_fields(&json!({
                "fd.type": "ipv4", "fd.typechar": "4", "fd.l4proto": "tcp",
                "fd.sip": "127.0.0.1", "evt.arg.addr": "::ffff:127.0.0.1:80",
            }));
        },
    );
}

#[test]
fn a_connect_without_an_answer_from_a_network_has_the_address_of_its_device() {
    let ip = |words: &str| {
        let argv: Vec<_> = words.split(' ').map(str::to_owned).collect();
        Act::new().then("spawn", ["/sbin/ip"]).argv(argv)
    };
    check(
        |_| {
            ip("ip link add v0 type veth peer name v1")
                .and(ip("ip address add 203.0.113.1/24 dev v0"))
                .and(ip("ip link set v0 up"))
                .and(ip("ip link set v1 up"))
                .and(ip("ip route add unreachable 198.51.100.0/24"))
                .and(ip("ip route add blackhole 192.0.2.0/24"))
                .and(tcp(AF_INET))
                .connect("198.51.100.7:443", libc::EHOSTUNREACH)
                .connect("192.0.2.7:443", libc::EINVAL)
                // No host has that address: the attempt begins, and fails after some seconds.
                .connect("203.0.113.9:443", libc::EHOSTUNREACH)
        },
        |connects| {
            let [unreachable, blackhole, silent] = connects.events();
            unreachable.assert_fields(&json!({
                "evt.res": "EHOSTUNREACH", "fd.name": "->198.51.100.7:443", "fd.lip": null,
            }));
            blackhole.assert_fields(&json!({
                "evt.res": "EINVAL", "fd.name": "->192.0.2.7:443", "fd.lip": null,
            }));
            silent.assert_fields(&json!({
                "evt.res": "EHOSTUNREACH", "fd.lip": "203.0.113.1",
                "fd.rip": "203.0.113.9", "fd.rport": 443, "fd.is_server": false,
            }));
            assert!(silent.number("fd.lport") > 0);
            assert!(silent.text("community_id").starts_with("1:"));
        },
    );
}
