//! Tests of conditions about connects and failed execs.

use std::net::Ipv4Addr;

use metadata::ContainerState;

use super::{netcat, verdict};
use crate::sources::syscall::event::{Kind, builder::RecordBuilder};

fn connect_to(address: [u8; 4], port: u16) -> RecordBuilder {
    use sensor_ebpf::Connect;
    let mut connect = Connect::default();
    let v4 = Ipv4Addr::from(address).octets();
    connect.family = 2;
    connect.socket_type = 1;
    connect.given_family = 2;
    connect.given_port = port;
    connect.given[..4].copy_from_slice(&v4);
    connect.protocol = 6;
    connect.remote_port = port;
    connect.remote[..4].copy_from_slice(&v4);
    connect.local_port = 40_000;
    connect.local[..4].copy_from_slice(&[10, 1, 2, 3]);
    RecordBuilder::connect(connect)
}

#[test]
fn addresses_and_networks_are_compared() {
    let record = connect_to([93, 184, 216, 34], 443);
    assert_eq!(record.kind, Kind::Connect);
    for (condition, expected) in [
        ("fd.sip = 93.184.216.34", true),
        ("fd.sip = \"93.184.216.34\"", true),
        ("fd.sip != 93.184.216.34", false),
        ("fd.sip in (1.1.1.1, 93.184.216.34)", true),
        ("fd.snet in (\"93.184.0.0/16\")", true),
        ("fd.snet in (10.0.0.0/8)", false),
        ("fd.snet != 10.0.0.0/8", true),
        ("fd.ip = 10.1.2.3", true),
        ("fd.ip = 93.184.216.34", true),
        ("fd.ip != 10.1.2.3", false),
        ("fd.ip != 10.9.9.9", true),
        ("fd.net = 10.0.0.0/8", true),
        ("fd.sport = 443", true),
        ("fd.sport in (80, 443)", true),
        ("not fd.sport in (80, 8080)", true),
        ("fd.port = 40000", true),
        ("evt.type = connect", true),
        ("evt.type in (execve, execveat)", false),
        ("proc.exe_ino > 0 or proc.args exists or proc.pid > 0", true),
    ] {
        assert_eq!(
            verdict(condition, &record, ContainerState::Host),
            expected,
            "{condition}"
        );
    }
}

#[test]
fn failed_execs_are_events_of_their_own() {
    let mut record = netcat();
    record.kind = Kind::ExecFailed;
    record.exec.result = -2;
    for (condition, expected) in [
        ("evt.type = execve", true),
        ("evt.failed = true", true),
        ("evt.rawres < 0", true),
        ("evt.rawres >= 0", false),
        ("evt.rawres = -2", true),
        ("evt.res = ENOENT", true),
        ("evt.res = SUCCESS", false),
    ] {
        assert_eq!(
            verdict(condition, &record, ContainerState::Host),
            expected,
            "{condition}"
        );
    }
}

#[test]
fn plain_system_calls_are_compared_by_their_arguments() {
    let record = RecordBuilder::call(Kind::Setns, -9, [987, 0x2002_0000]);
    for (condition, expected) in [
        ("evt.type = setns", true),
        ("evt.type in (execve, connect)", false),
        ("evt.category = process", true),
        ("evt.rawres = -9", true),
        ("evt.res = EBADF", true),
        ("evt.failed = true", true),
        ("evt.arg.res = EBADF", true),
        ("evt.arg.fd = 987", true),
        ("evt.arg[fd] = 987", true),
        ("evt.arg[1] = 987", true),
        ("evt.arg.nstype contains CLONE_NEWPID", true),
        ("evt.arg.nstype contains CLONE_NEWUTS", false),
        (
            "evt.args = 'res=EBADF fd=987 nstype=CLONE_NEWNS|CLONE_NEWPID'",
            true,
        ),
        ("fd.num = 987", true),
        ("fd.name exists", false),
        ("evt.arg.filename exists", false),
        ("proc.name = nsenter", true),
    ] {
        assert_eq!(
            verdict(condition, &record, ContainerState::Host),
            expected,
            "{condition}"
        );
    }
}
