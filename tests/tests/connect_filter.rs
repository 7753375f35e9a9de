//! The kernel side filters and counts events that no rule wants.

use libc::{AF_INET, AF_NETLINK, AF_UNIX, SOCK_RAW};
use serde_json::json;
use tests::{
    Act, Scene, Seen,
    connects::{hooks, socket, tcp},
};

/// Steps with connects of all sorts: accepted and refused on loopback, without a route, unix,
/// netlink.
fn all_sorts() -> Act {
    Act::new()
        .just("net-namespace")
        .listen(99, "127.0.0.1:80")
        .and(tcp(AF_INET))
        .connect("127.0.0.1:80", 0)
        .and(tcp(AF_INET))
        .connect("127.0.0.1:81", libc::ECONNREFUSED)
        .and(tcp(AF_INET))
        .connect("192.0.2.1:443", libc::ENETUNREACH)
        .and(tcp(AF_UNIX))
        .connect("/no/such", libc::ENOENT)
        .and(socket(100, AF_NETLINK, SOCK_RAW, 0))
        .connect("netlink", 0)
}

/// Lets an actor make these connects under a rule with that condition.
fn seen(hooks: &str, condition: &str) -> Seen {
    act(all_sorts(), hooks, condition)
}

fn act(act: Act, hooks: &str, condition: &str) -> Seen {
    let rules = format!(
        "- rule: r\n  desc: d\n  priority: DEBUG\n  condition: {condition}\n  output: '%fd.name'\n"
    );
    let scene = Scene::new();
    let (seen, ..) = scene.act_under(act, |setup| {
        setup.rules(&rules).option("sensor.capture.hooks", hooks)
    });
    seen
}

fn names(seen: &Seen) -> Vec<&str> {
    seen.events
        .iter()
        .map(|event| event.text("fd.name"))
        .collect()
}

#[test]
fn families_and_loopback_that_no_rule_wants_are_dropped_in_the_kernel() {
    for hooks in hooks() {
        let condition = r#"evt.type = connect and fd.typechar in (4, 6) and not fd.snet in ("127.0.0.0/8", "::1/128")"#;
        let seen = seen(hooks, condition);
        assert_eq!(names(&seen), ["->192.0.2.1:443"], "{seen:#?}");
        let counters = seen.counters();
        assert_eq!(counters.kernel("written"), 1, "{}", seen.stderr);
        assert_eq!(counters.user("unmatched"), 0, "{}", seen.stderr);
    }
}

#[test]
fn a_rule_for_unix_sockets_gets_them_alone() {
    for hooks in hooks() {
        let seen = seen(hooks, "evt.type = connect and fd.typechar = u");
        assert_eq!(names(&seen), ["/no/such"], "{seen:#?}");
        assert_eq!(seen.counters().kernel("written"), 1, "{}", seen.stderr);
    }
}

#[test]
fn connects_of_processes_that_no_rule_names_stay_in_the_kernel() {
    for hooks in hooks() {
        let named = seen(hooks, "evt.type = connect and proc.name in (actor, curl)");
        assert!(named.events.len() >= 5, "{named:#?}");
        let others = seen(hooks, "evt.type = connect and proc.name = curl");
        let counters = others.counters();
        assert_eq!(counters.kernel("written"), 0, "{}", others.stderr);
        assert!(counters.kernel("filtered_other") >= 5, "{}", others.stderr);
    }
}

#[test]
fn connects_of_the_host_stay_in_the_kernel_if_only_containers_are_wanted() {
    for hooks in hooks() {
        // The first connects of the cgroup show its class; the kernel side drops later ones by it.
        let steps = all_sorts().then("pause", ["500"]).and(all_sorts());
        let seen = act(steps, hooks, "evt.type = connect and container.id != host");
        assert!(seen.events.is_empty(), "{seen:#?}");
        let counters = seen.counters();
        assert!(counters.kernel("filtered_host") >= 5, "{}", seen.stderr);
        assert_eq!(counters.lost(), 0, "{}", seen.stderr);
    }
}

#[test]
fn the_users_rule_writes_the_fields_that_the_users_ingest_script_reads() {
    // The rule excludes loopback, so the namespace gets an address and a neighbour that never
    // answers.
    const DESTINATION: &str = "203.0.113.9:4444";
    let ip = |words: &str| {
        let argv = words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        Act::new().then("spawn", ["/sbin/ip"]).argv(argv)
    };
    let act = Act::new()
        .just("net-namespace")
        .and(ip("ip link add v0 type veth peer name v1"))
        .and(ip("ip address add 203.0.113.1/24 dev v0"))
        .and(ip("ip link set v0 up"))
        .and(ip("ip link set v1 up"))
        .and(ip(
            "ip neighbor add 203.0.113.9 lladdr 02:00:00:00:00:09 dev v0",
        ))
        .and(tcp(AF_INET))
        .then("nonblocking", ["100"])
        .connect(DESTINATION, libc::EINPROGRESS)
        .endpoints();
    let shipped = include_str!("../../deploy/rules/connect.yaml");
    let rules = shipped.replace(" and container.id != host", "");
    assert_ne!(shipped, rules, "the rule wants containers only");
    let scene = Scene::new();
    let (seen, printed, _) = scene.act_under(act, |setup| setup.rules(&rules));
    let (local, _) = printed.trim().split_once(' ').expect("two endpoints");
    let (local_ip, local_port) = local.rsplit_once(':').expect("address and port");

    let event = seen.only("at all", |_| true);
    let ecs = ingest(&event.0);
    assert_eq!(
        ecs,
        json!({
            "network": {"transport": "tcp", "type": "ipv4"},
            "source": {"ip": local_ip, "port": local_port.parse::<u16>().expect("a port")},
            "destination": {"ip": "203.0.113.9", "port": 4444},
            "event": {"type": "connect"},
            "process": {
                "name": "actor", "executable": event.field("proc.exepath"),
                "command_line": event.field("proc.cmdline"),
            },
            "user": {"id": 0, "name": "root"},
            "container": {"id": "host"},
        })
    );
    assert!(event.0["tags"].is_array());
}

/// The result of the user's Painless script for a line about a connect: keys of `output_fields`,
/// and the script's regular expression for `fd.name`.
fn ingest(line: &serde_json::Value) -> serde_json::Value {
    let fields = &line["output_fields"];
    let field = |name: &str| {
        fields
            .get(name)
            .unwrap_or_else(|| panic!("his script reads {name}"))
    };
    let name = field("fd.name").as_str().expect("fd.name is a text");
    let (source, destination) = addresses(name).expect("his expression matches");
    json!({
        "network": {"transport": field("fd.l4proto"), "type": field("fd.type")},
        "source": {"ip": source, "port": field("fd.lport")},
        "destination": {"ip": destination, "port": field("fd.rport")},
        "event": {"type": field("evt.type")},
        "process": {
            "name": field("proc.name"), "executable": field("proc.exepath"),
            "command_line": field("proc.cmdline"),
        },
        "user": {"id": field("user.uid"), "name": field("user.name")},
        "container": {"id": field("container.id")},
    })
}

/// `/(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}):\d+->(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}):\d+/`
fn addresses(name: &str) -> Option<(String, String)> {
    let expression = regex::Regex::new(
        r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}):\d+->(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}):\d+",
    );
    let found = expression.expect("it compiles").captures(name)?;
    Some((found[1].to_owned(), found[2].to_owned()))
}
