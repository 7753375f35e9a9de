//! Of which sockets connects can match.

use super::rules;
use crate::rules::Sockets;

fn of(condition: &str) -> Sockets {
    let text =
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: DEBUG\n");
    rules(&text).requirements().sockets
}

const ALL: Sockets = Sockets {
    unix: true,
    inet: true,
    loopback: true,
    other: true,
};
const NONE: Sockets = Sockets {
    unix: false,
    inet: false,
    loopback: false,
    other: false,
};

#[test]
fn a_rule_for_any_connect_wants_all_sockets() {
    assert_eq!(of("evt.type = connect"), ALL);
    assert_eq!(of("evt.type = connect and proc.name = nc"), ALL);
}

#[test]
fn a_rule_for_execs_wants_none() {
    assert_eq!(of("evt.type = execve"), NONE);
}

#[test]
fn a_type_of_descriptor_leaves_the_others_out() {
    let unix = Sockets { unix: true, ..NONE };
    assert_eq!(of("evt.type = connect and fd.typechar = u"), unix);
    assert_eq!(
        of("evt.type = connect and fd.type = unix and fd.sport exists"),
        NONE
    );
    let ip = Sockets {
        inet: true,
        loopback: true,
        ..NONE
    };
    assert_eq!(of("evt.type = connect and fd.typechar in (4, 6)"), ip);
    assert_eq!(of("evt.type = connect and fd.sockfamily = ip"), ip);
    assert_eq!(of("evt.type = connect and fd.sport = 22"), ip);
}

#[test]
fn loopback_is_left_out_only_if_both_families_are() {
    let outbound = |networks| {
        format!("evt.type = connect and fd.typechar in (4, 6) and not fd.snet in ({networks})")
    };
    assert_eq!(
        of(&outbound(r#""127.0.0.0/8", "::1/128""#)),
        Sockets { inet: true, ..NONE }
    );
    assert!(of(&outbound(r#""127.0.0.0/8""#)).loopback);
    assert!(of(&outbound(r#""127.0.0.0/16", "::1/128""#)).loopback);
    assert!(of("evt.type = connect and not fd.net in (127.0.0.0/8)").loopback);
}

#[test]
fn a_missing_address_makes_a_negation_true() {
    assert!(of(r#"evt.type = connect and not fd.snet in ("127.0.0.0/8", "::1/128")"#).unix);
}
