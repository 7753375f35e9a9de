//! Tests of what rules need, and of rules that can never match here.

use metadata::ContainerState;
use sensor_ebpf::SystemCall;

use super::{rule, rules};
use crate::sources::syscall::{
    capture::Reach,
    event::{Kind, builder::RecordBuilder},
    fields::{FieldRef, Needs},
    rules::Activity,
};

/// Whether rules want a kind of events, in containers and on the host.
type Places = (bool, bool);

const CONTAINER: Places = (true, false);
const EVERYWHERE: Places = (true, true);
const NOWHERE: Places = (false, false);

fn places(reach: Reach, kind: Kind) -> Places {
    (reach.container.contains(kind), reach.host.contains(kind))
}

#[test]
fn the_condition_decides_which_events_the_kernel_side_sends() {
    for (condition, exec, failed, connect) in [
        (
            "evt.type = execve and container.id != host",
            CONTAINER,
            CONTAINER,
            NOWHERE,
        ),
        (
            "evt.type in (execve, execveat) and not container.id = host",
            CONTAINER,
            CONTAINER,
            NOWHERE,
        ),
        ("evt.type = execve", EVERYWHERE, EVERYWHERE, NOWHERE),
        (
            "evt.type = execve and evt.failed = false",
            EVERYWHERE,
            NOWHERE,
            NOWHERE,
        ),
        (
            "evt.type = execve and evt.rawres >= 0",
            EVERYWHERE,
            NOWHERE,
            NOWHERE,
        ),
        ("evt.type = execveat", NOWHERE, EVERYWHERE, NOWHERE),
        (
            "evt.type = connect and container.id != host",
            NOWHERE,
            NOWHERE,
            CONTAINER,
        ),
        (
            "evt.type = connect and (container.id != host or proc.name = x)",
            NOWHERE,
            NOWHERE,
            EVERYWHERE,
        ),
        (
            "evt.type = execve and k8s.ns.name = default",
            CONTAINER,
            CONTAINER,
            NOWHERE,
        ),
        (
            "evt.type = execve and container.image.repository endswith x",
            CONTAINER,
            CONTAINER,
            NOWHERE,
        ),
        ("fd.sport = 80", NOWHERE, NOWHERE, EVERYWHERE),
        ("evt.type = openat", NOWHERE, NOWHERE, NOWHERE),
    ] {
        let set = rules(&rule("r", condition));
        let r = set.requirements();
        assert_eq!(
            (
                places(r.reach, Kind::Exec),
                places(r.reach, Kind::ExecFailed),
                places(r.reach, Kind::Connect)
            ),
            (exec, failed, connect),
            "{condition}"
        );
    }
}

#[test]
fn the_condition_decides_which_plain_system_calls_the_kernel_side_sends() {
    let reach = |condition: &str, kind| {
        let set = rules(&rule("r", condition));
        places(set.requirements().reach, kind)
    };
    for call in SystemCall::ALL {
        let name = call.name;
        let of_type = format!("evt.type = {name}");
        assert_eq!(reach(&of_type, call.kind), EVERYWHERE, "{name}");
        let of_containers = format!("{of_type} and container.id != host");
        assert_eq!(reach(&of_containers, call.kind), CONTAINER, "{name}");
        for other in Kind::ALL.into_iter().filter(|kind| *kind != call.kind) {
            assert_eq!(reach(&of_type, other), NOWHERE, "{name}: {other:?}");
        }
    }
    assert_eq!(reach("evt.arg.nstype exists", Kind::Setns), EVERYWHERE);
    assert_eq!(reach("evt.arg.nstype exists", Kind::Exec), NOWHERE);
}

#[test]
fn the_condition_decides_by_name_whose_connects_the_kernel_side_sends() {
    let every = None;
    let one = Some(vec!["curl"]);
    let two = Some(vec!["curl", "wget"]);
    for (condition, names) in [
        ("evt.type = connect", &every),
        ("evt.type = connect and proc.name != curl", &every),
        ("evt.type = connect and not proc.name = curl", &every),
        ("evt.type = connect and proc.pname = curl", &every),
        ("evt.type = connect and toupper(proc.name) = CURL", &every),
        ("evt.type = connect and proc.name startswith cu", &every),
        (
            "evt.type = connect and (proc.name = curl or fd.sport = 80)",
            &every,
        ),
        ("evt.type = connect and proc.name = curl", &one),
        (
            "evt.type = connect and fd.sport = 80 and proc.name = curl",
            &one,
        ),
        ("evt.type = connect and proc.name in (curl, wget)", &two),
        (
            "evt.type = connect and (proc.name = curl or proc.name = wget)",
            &two,
        ),
        (
            "evt.type = connect and proc.name in (curl, a-name-of-more-than-15-bytes)",
            &one,
        ),
        (
            "(evt.type = connect and proc.name = curl) or evt.type = execve",
            &one,
        ),
        ("evt.type = execve and proc.name = curl", &every),
    ] {
        let set = rules(&rule("r", condition));
        let found = set.requirements().connects.names.as_ref().map(|names| {
            let text = |name: &[u8; 16]| String::from_utf8_lossy(name).replace('\0', "");
            names.iter().map(text).collect::<Vec<_>>()
        });
        let names = names
            .as_ref()
            .map(|names| names.iter().map(ToString::to_string).collect());
        assert_eq!(found, names, "{condition}");
    }
}

#[test]
fn the_condition_decides_to_which_peers_connects_are_sent() {
    for (condition, unix, loopback, other) in [
        ("evt.type = connect", true, true, true),
        ("evt.type = execve", false, false, false),
        (
            "evt.type = connect and fd.typechar in (4, 6)",
            false,
            true,
            false,
        ),
        ("evt.type = connect and fd.typechar = u", true, false, false),
        ("evt.type = connect and fd.sport = 80", false, true, false),
        (
            "evt.type = connect and not fd.typechar in (4, 6, u)",
            false,
            false,
            true,
        ),
        (
            "evt.type = connect and fd.typechar in (4, 6) and not fd.snet in (127.0.0.0/8, ::1/128)",
            false,
            false,
            false,
        ),
        (
            "evt.type = connect and fd.typechar in (4, 6) and fd.sip != 127.0.0.1",
            false,
            true,
            false,
        ),
    ] {
        let set = rules(&rule("r", condition));
        let r = set.requirements();
        assert_eq!(
            (
                r.connects.unix,
                r.connects.loopback,
                r.connects.other_families
            ),
            (unix, loopback, other),
            "{condition}"
        );
    }
}

#[test]
fn disabled_rules_need_nothing() {
    let set = rules(&(rule("r", "evt.type = execve and proc.env[A] = x") + "  enabled: false\n"));
    assert_eq!(
        set.requirements(),
        &crate::sources::syscall::rules::Requirements::default()
    );
}

#[test]
fn conditions_and_outputs_decide_what_the_sensor_collects() {
    let need = |condition: &str| rules(&rule("r", condition)).requirements().needs;
    assert!(need("evt.type = execve and proc.env[HOME] = /root").contains(Needs::ENV));
    assert!(!need("evt.type = execve and proc.name = x").contains(Needs::ENV));
    let set =
        rules(&rule("r", "evt.type = execve").replace("output: o", "output: '%proc.aname[3]'"));
    assert!(set.requirements().needs.contains(Needs::ANCESTORS));
    assert_eq!(set.requirements().ancestors, 3);
    assert_eq!(
        rules(&rule("r", "proc.aname in (x)"))
            .requirements()
            .ancestors,
        16
    );
}

#[test]
fn fields_decide_whose_programs_the_sensor_looks_up() {
    for (condition, failed, connect, ancestors) in [
        ("evt.type = connect and proc.name = x", NOWHERE, NOWHERE, 0),
        ("proc.exepath = x", EVERYWHERE, EVERYWHERE, 0),
        (
            "evt.type = connect and container.id != host and len(proc.args) > 1",
            NOWHERE,
            CONTAINER,
            0,
        ),
        (
            "evt.type = connect and proc.pcmdline = x",
            NOWHERE,
            NOWHERE,
            1,
        ),
        (
            "evt.type = connect and proc.aexe[3] = x",
            NOWHERE,
            NOWHERE,
            3,
        ),
        (
            "evt.type = connect and proc.aname[3] = x",
            NOWHERE,
            NOWHERE,
            0,
        ),
        (
            "evt.type = connect and proc.aexepath = x",
            NOWHERE,
            NOWHERE,
            16,
        ),
        (
            "evt.type = connect and proc.sid.exe = x",
            NOWHERE,
            EVERYWHERE,
            16,
        ),
    ] {
        let set = rules(&rule("r", condition));
        let r = set.requirements();
        assert_eq!(
            (
                places(r.programs, Kind::ExecFailed),
                places(r.programs, Kind::Connect),
                r.ancestor_programs
            ),
            (failed, connect, ancestors),
            "{condition}"
        );
    }
}

/// The facts that the engine assumes for host processes are the values of the fields.
#[test]
fn the_fields_of_host_processes_have_the_assumed_values() {
    let record = RecordBuilder::exec("/bin/true", &["true"]);
    super::with_context(&record, ContainerState::Host, |context| {
        for (field, value) in crate::sources::syscall::fields::HOST {
            assert_eq!(
                FieldRef::parse(field).unwrap().get(context),
                value,
                "{field}"
            );
        }
    });
}

fn activity(condition: &str) -> Activity {
    rules(&rule("r", condition)).info()[0].activity.clone()
}

#[test]
fn rules_that_cannot_match_here_are_inactive_with_the_reason() {
    let inactive = |reason: &str| Activity::Inactive(Box::new([reason.into()]));
    let partly = |reason: &str| Activity::Partly(Box::new([reason.into()]));
    for (condition, expected) in [
        ("evt.type = execve", Activity::Active),
        (
            "evt.type = setns and evt.arg.nstype contains CLONE_NEWNET",
            Activity::Active,
        ),
        (
            "evt.type in (open, openat) and fd.name startswith /etc",
            inactive("no events of types open, openat"),
        ),
        (
            "evt.type in (connect, sendto) and fd.sport = 53",
            partly("no events of type sendto"),
        ),
        (
            "evt.type = execve and fd.directory = /etc",
            inactive("field fd.directory never has a value here"),
        ),
        (
            "evt.type in (symlink, symlinkat) and evt.arg.target in (/etc, /root)",
            Activity::Inactive(Box::new([
                "no events of types symlink, symlinkat".into(),
                "field evt.arg.target never has a value here".into(),
            ])),
        ),
        (
            "evt.type = execve and evt.arg.cgroups contains x",
            inactive("field evt.arg.cgroups never has a value here"),
        ),
        (
            "evt.type = execve and (fd.directory = /etc or proc.name = x)",
            partly("field fd.directory never has a value here"),
        ),
        (
            "evt.type = execve and not evt.type = openat",
            Activity::Active,
        ),
        ("evt.type = execve and evt.dir = <", Activity::Active),
        (
            "evt.type = execve and k8smeta.rs.name = web",
            Activity::Active,
        ),
        (
            "evt.type = execve and k8smeta.svc.name = web",
            inactive("field k8smeta.svc.name never has a value here"),
        ),
        (
            "evt.type = execve and evt.num = 0",
            inactive("its condition is never true"),
        ),
        (
            "evt.type = execve and evt.type = connect",
            inactive("its condition is never true"),
        ),
    ] {
        assert_eq!(activity(condition), expected, "{condition}");
    }
}

#[test]
fn rules_of_other_sources_are_inactive() {
    let text = rule("r", "ka.verb = create and jevt.value[/x] = y") + "  source: k8s_audit\n";
    let set = rules(&text);
    let reason = "no event source 'k8s_audit'";
    assert_eq!(
        set.info()[0].activity,
        Activity::Inactive(Box::new([reason.into()]))
    );
}

#[test]
fn the_names_with_which_conditions_compare_addresses_are_those_to_resolve() {
    let names = |condition: &str| {
        let set = rules(&rule("r", condition));
        let names = &set.requirements().domains;
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let connect = "evt.type = connect and fd.typechar in (4, 6) and container.id != host";
    let api = format!("{connect} and fd.sip.name = \"kubernetes.default.svc.cluster.local\"");
    assert_eq!(activity(&api), Activity::Active);
    assert_eq!(names(&api), ["kubernetes.default.svc.cluster.local"]);
    for (condition, expected) in [
        (
            "evt.type = connect and fd.rip.name in (b, a)",
            &["a", "b"][..],
        ),
        ("evt.type = connect and not fd.cip.name in (a)", &["a"]),
        ("evt.type = connect and fd.lip.name != a", &["a"]),
        ("evt.type = connect and proc.name in (a)", &[]),
        ("evt.type = connect and fd.sip.name exists", &[]),
        // No exec has an address.
        ("evt.type = execve and fd.sip.name = a", &[]),
    ] {
        assert_eq!(names(condition), expected, "{condition}");
    }
}
