//! Connects of sockets that are not TCP, and of descriptors that are no sockets.

use libc::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_RAW, SOCK_STREAM};
use serde_json::json;
use tests::{
    Act,
    connects::{check, socket, tcp, udp},
};

#[test]
fn udp_has_both_endpoints() {
    check(
        |_| udp(AF_INET).connect("127.0.0.1:53", 0).endpoints(),
        |connects| {
            connects.one().assert_fields(&json!({
                "fd.name": connects.name(), "fd.type": "ipv4", "fd.l4proto": "udp",
                "evt.rawres": 0, "fd.sip": "127.0.0.1", "fd.sport": 53, "fd.cip": "127.0.0.1",
                "fd.connected": true, "fd.name_changed": true,
            }));
        },
    );
}

#[test]
fn udp6_has_both_endpoints() {
    check(
        |_| udp(AF_INET6).connect("[::1]:53", 0).endpoints(),
        |connects| {
            connects.one().assert_fields(&json!({
                "fd.name": connects.name(), "fd.type": "ipv6", "fd.l4proto": "udp",
                "fd.sip": "::1", "fd.sport": 53,
            }));
        },
    );
}

#[test]
fn a_connected_udp_socket_that_connects_elsewhere_has_the_new_endpoints() {
    check(
        |_| {
            udp(AF_INET)
                .connect("127.0.0.1:53", 0)
                .endpoints()
                .connect("127.0.0.2:54", 0)
                .endpoints()
        },
        |connects| {
            let events: [_; 2] = connects.events();
            for (event, (local, peer)) in events.iter().zip(&connects.endpoints) {
                event.assert_fields(&json!({
                    "fd.name": format!("{local}->{peer}"), "fd.name_changed": true,
                    "fd.connected": true,
                }));
            }
            events[1].assert_fields(&json!({"fd.sip": "127.0.0.2", "fd.sport": 54}));
        },
    );
}

#[test]
fn a_udp_socket_that_disconnects_has_only_zeros() {
    check(
        |_| {
            udp(AF_INET)
                .connect("127.0.0.1:53", 0)
                .connect("unspec", 0)
                .endpoints()
        },
        |connects| {
            assert_eq!(connects.name(), "0.0.0.0:0->-");
            let [_, disconnect] = connects.events();
            disconnect.assert_fields(&json!({
                "evt.rawres": 0, "fd.name": "0.0.0.0:0->0.0.0.0:0", "fd.l4proto": "udp",
                "fd.sip": "0.0.0.0", "fd.sport": 0, "fd.cip": "0.0.0.0", "fd.cport": 0,
                "evt.arg.addr": null,
            }));
        },
    );
}

#[test]
fn an_icmp_socket_has_its_protocol_for_a_port() {
    check(
        |_| {
            socket(100, AF_INET, SOCK_RAW, libc::IPPROTO_ICMP)
                .connect("127.0.0.1:0", 0)
                .endpoints()
        },
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": 0, "fd.name": "127.0.0.1->127.0.0.1", "fd.type": "ipv4",
                "fd.l4proto": "raw", "fd.cport": 1, "fd.sport": 0, "evt.arg.addr": "127.0.0.1:0",
                "community_id": null,
            }));
        },
    );
}

#[test]
fn a_unix_socket_has_its_path() {
    check(
        |scene| {
            let path = scene.text("socket");
            Act::new()
                .listen(99, &path)
                .and(tcp(AF_UNIX))
                .connect(&path, 0)
        },
        |connects| {
            let event = connects.one();
            let path = event.text("evt.arg.addr");
            assert!(path.starts_with('/') && path.ends_with("/socket"), "{path}");
            event.assert_fields(&json!({
                "evt.rawres": 0, "fd.name": path, "fd.type": "unix", "fd.typechar": "u",
                "fd.l4proto": "<NA>", "fd.sockfamily": "unix", "fd.sip": null, "fd.sport": null,
                "fd.lip": null, "fd.lport": null, "fd.connected": true, "community_id": null,
            }));
        },
    );
}

#[test]
fn a_unix_path_that_does_not_exist_is_reported() {
    check(
        |_| tcp(AF_UNIX).connect("/no/such.sock", libc::ENOENT),
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": -libc::ENOENT, "evt.res": "ENOENT", "fd.type": "unix",
                "fd.name": "/no/such.sock", "evt.arg.addr": "/no/such.sock",
                "fd.connected": false,
            }));
        },
    );
}

#[test]
fn a_unix_path_of_full_length_is_whole() {
    let path = format!("/{}", "p".repeat(106));
    check(
        |_| tcp(AF_UNIX).connect(&path, libc::ENOENT),
        |connects| connects.one().assert_fields(&json!({"evt.arg.addr": path})),
    );
}

#[test]
fn an_abstract_unix_name_ends_where_the_address_ends() {
    check(
        |_| {
            Act::new()
                .listen(99, "@abstract name")
                .and(tcp(AF_UNIX))
                .connect("@abstract name", 0)
        },
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": 0, "fd.type": "unix",
                "fd.name": "@abstract name", "evt.arg.addr": "@abstract name",
            }));
        },
    );
}

/// Added to a length of which the kernel takes the lower 32 bits.
const ABOVE_AN_INT: &str = "4294967296";

#[test]
fn a_length_above_an_int_is_the_kernels() {
    for name in ["@short", "/no/such.sock"] {
        let errno = if name.starts_with('@') {
            libc::ECONNREFUSED
        } else {
            libc::ENOENT
        };
        check(
            |_| {
                let operands = ["100", name, ABOVE_AN_INT, &errno.to_string()];
                tcp(AF_UNIX).then("connect-at-the-edge", operands)
            },
            |connects| {
                connects.one().assert_fields(&json!({
                    "evt.rawres": -errno, "fd.name": name, "evt.arg.addr": name,
                }));
                assert_eq!(connects.seen.counters().kernel("unreadable"), 0);
            },
        );
    }
}

#[test]
fn a_unix_path_that_cannot_be_read_is_counted() {
    let operands = ["100", "/no/such.sock", "1", &libc::EFAULT.to_string()];
    check(
        |_| tcp(AF_UNIX).then("connect-at-the-edge", operands),
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": -libc::EFAULT, "fd.type": "unix",
            }));
            assert_eq!(connects.seen.counters().kernel("unreadable"), 1);
        },
    );
}

#[test]
fn netlink_has_a_type_and_nothing_else() {
    check(
        |_| socket(100, AF_NETLINK, SOCK_RAW, 0).connect("netlink", 0),
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": 0, "fd.name": "", "fd.type": "netlink", "fd.typechar": "n",
                "fd.l4proto": "<NA>", "fd.sockfamily": null, "fd.sip": null, "fd.sport": null,
                "evt.arg.addr": null,
            }));
        },
    );
}

#[test]
fn a_descriptor_that_is_not_open_is_no_socket() {
    check(
        |_| Act::new().connect("127.0.0.1:80", libc::EBADF),
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": -libc::EBADF, "evt.res": "EBADF", "fd.num": 100,
                "fd.name": "NULL", "fd.type": null, "fd.typechar": "o", "fd.l4proto": null,
                "fd.sip": null, "fd.sport": null, "fd.lip": null, "fd.connected": false,
                "evt.arg.addr": "127.0.0.1:80",
            }));
        },
    );
}

#[test]
fn a_file_that_is_no_socket_is_named() {
    check(
        |scene| {
            let file = scene.executable("file", "");
            Act::new()
                .then("open", ["100".as_ref(), file.as_os_str()])
                .connect("127.0.0.1:80", libc::ENOTSOCK)
        },
        |connects| {
            let event = connects.one();
            event.assert_fields(&json!({
                "evt.rawres": -libc::ENOTSOCK, "fd.type": "file", "fd.typechar": "f",
                "fd.l4proto": "<NA>", "fd.sip": null, "evt.arg.addr": "127.0.0.1:80",
            }));
            let path = event.text("fd.name");
            assert!(path.starts_with('/') && path.ends_with("/file"), "{path}");
        },
    );
}

#[test]
fn an_address_that_cannot_be_read_is_efault() {
    check(
        |_| socket(100, AF_INET, SOCK_STREAM, 0).then("connect-bad-pointer", ["100"]),
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": -libc::EFAULT, "evt.res": "EFAULT", "fd.name": "",
                "fd.type": "ipv4", "fd.sip": null, "fd.sport": null, "evt.arg.addr": null,
            }));
            assert_eq!(connects.seen.counters().kernel("unreadable"), 1);
        },
    );
}

#[test]
fn an_address_that_is_too_short_is_einval() {
    check(
        |_| tcp(AF_INET).connect("127.0.0.1:80/7", libc::EINVAL),
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": -libc::EINVAL, "evt.res": "EINVAL", "fd.name": "",
                "fd.type": "ipv4", "fd.sip": null, "fd.sport": null,
            }));
        },
    );
}

#[test]
fn an_address_of_another_family_is_eafnosupport() {
    check(
        |_| tcp(AF_INET).connect("[::1]:80", libc::EAFNOSUPPORT),
        |connects| {
            connects.one().assert_fields(&json!({
                "evt.rawres": -libc::EAFNOSUPPORT, "evt.res": "EAFNOSUPPORT", "fd.name": "",
                "fd.type": "ipv4", "fd.sip": null, "fd.sport": null, "evt.arg.addr": "::1:80",
            }));
        },
    );
}
