//! Events with all fields.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::process::Command;

use libc::AF_INET;
use serde_json::Value;
use tests::{
    Act, Event, Scene,
    connects::{socket, tcp},
    programs,
};

struct Field {
    name: String,
    kind: String,
    of_execs: bool,
    of_connects: bool,
}

/// The fields in `--list` that take no argument and are allowed in an output.
fn fields() -> Vec<Field> {
    let mut list = Command::new(programs::sensor());
    list.args(["--list", "--format", "json"]);
    let output = programs::alone(|| list.output()).unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = list["fields"].as_array().unwrap();
    let plain = all
        .iter()
        .filter(|field| field["usage"] == field["name"] && field["condition_only"] == false);
    let field = |field: &Value| {
        let text = |key: &str| field[key].as_str().unwrap().to_owned();
        let events = field["events"].to_string();
        Field {
            name: text("name"),
            kind: text("type"),
            of_execs: events.contains("execve"),
            of_connects: events.contains("connect"),
        }
    };
    plain.map(field).collect()
}

/// An exec, a failed exec and a connect, with all fields.
fn events(fields: &[Field]) -> Vec<Event> {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
    let output = format!("%{}", names.join(" %"));
    let rules = format!(
        "- rule: All\n  desc: d\n  condition: evt.type in (execve, execveat, connect)\n  priority: DEBUG\n  output: {output:?}\n"
    );
    let act = Act::new()
        .just("process-group")
        .then("fail", ["/nonexistent/tool", "2"])
        .argv(["tool"])
        .and(tcp(AF_INET).connect("127.0.0.1:1", libc::ECONNREFUSED))
        .exec(&tool, ["tool", "argument"]);
    let (seen, ..) = scene.act_under(act, |setup| {
        let setup = setup.rules(&rules);
        setup.option("engine.modern_ebpf.drop_failed_exit", false)
    });
    seen.events
}

#[test]
fn each_field_is_of_the_type_that_the_list_says() {
    let fields = fields();
    assert!(fields.len() > 150, "{}", fields.len());
    let events = events(&fields);
    assert_eq!(events.len(), 3, "{events:#?}");
    for event in &events {
        let values = event.0["output_fields"].as_object().unwrap();
        let is_connect = event.field("evt.type") == "connect";
        for field in &fields {
            let value = &values[&field.name];
            let is_of_type = match field.kind.as_str() {
                "number" => value.is_number(),
                "boolean" => value.is_boolean(),
                // The only field whose value is an array.
                "string" if field.name == "proc.argv" => value.is_array(),
                "string" => value.is_string(),
                _ => value.is_number() || value.is_string(),
            };
            assert!(value.is_null() || is_of_type, "{}: {value}", field.name);
            let belongs = if is_connect {
                field.of_connects
            } else {
                field.of_execs
            };
            assert!(belongs || value.is_null(), "{}: {value}", field.name);
        }
    }
}

#[test]
fn what_is_fixed_says_so() {
    let fields = fields();
    for event in events(&fields) {
        event.assert_fields(&serde_json::json!({
            "evt.source": "syscall",
            "evt.is_syscall": true,
            "evt.is_async": false,
            "evt.dir": "<",
            "evt.count": 1,
        }));
        let failed = event.number("evt.rawres") < 0;
        let error = failed.then_some(1);
        assert_eq!(event.field("evt.count.error"), &serde_json::json!(error));
        assert_eq!(event.field("evt.info"), event.field("evt.args"));
        assert_eq!(event.field("syscall.type"), event.field("evt.type"));
        let whole = event.number("evt.rawtime.s") * 1_000_000_000;
        assert_eq!(
            whole + event.number("evt.rawtime.ns"),
            event.number("evt.rawtime")
        );
    }
}

/// The environment of a program and of its parent, as a rule sees it under a setting.
fn environment(setting: &str) -> Event {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let rules = "- rule: All\n  desc: d\n  condition: evt.type in (execve, execveat)\n  priority: DEBUG\n  output: '%proc.env %proc.env[A] %proc.env[B] %proc.aenv'\n";
    let act = Act::new()
        .then("exec-environment", [&tool])
        .argv(["tool"])
        .argv(["AB=0", "A=1", "B=2", "A", "C=A=1"]);
    let (seen, ..) = scene.act_under(act, |setup| {
        setup.rules(rules).option("sensor.capture.env", setting)
    });
    let [event] = <[Event; 1]>::try_from(seen.events).unwrap();
    event
}

#[test]
fn rules_see_those_variables_of_the_environment_that_are_named() {
    let named = environment("[A, NONE]");
    assert_eq!(named.field("proc.env"), "A=1");
    assert_eq!(named.field("proc.env[A]"), "1");
    assert!(named.field("proc.env[B]").is_null());
    let all = environment("true");
    assert_eq!(all.field("proc.env"), "AB=0 A=1 B=2 A C=A=1");
    assert_eq!(all.field("proc.env[B]"), "2");
    let none = environment("false");
    for field in ["proc.env", "proc.env[A]", "proc.env[B]", "proc.aenv"] {
        assert!(none.field(field).is_null(), "{field}: {:?}", none.0);
    }
}

/// Fields that need more than these events: a container with metadata, or a rule that mentions a
/// domain name.
const OTHERS: [&str; 7] = [
    "container.",
    "k8s.",
    "k8smeta.",
    "fd.cip.name",
    "fd.sip.name",
    "fd.lip.name",
    "fd.rip.name",
];

#[test]
fn each_field_of_the_list_has_a_value_on_some_event() {
    let fields = fields();
    let events = events(&fields);
    let never = fields.iter().filter(|field| {
        let is_other = OTHERS.iter().any(|name| field.name.starts_with(name));
        let is_here = field.of_execs || field.of_connects;
        let is_null = |event: &Event| event.field(&field.name).is_null();
        is_here && !is_other && events.iter().all(is_null)
    });
    let never: Vec<_> = never.map(|field| field.name.as_str()).collect();
    assert_eq!(
        never, [""; 0],
        "they belong among the fields that no event has"
    );
}

const FIGURES: &str = "%proc.nthreads %proc.nchilds %proc.fdopencount %proc.fdlimit %proc.fdusage %proc.vmsize %proc.vmrss %proc.vmswap %thread.vmsize %thread.vmsize.b %thread.vmrss %thread.pfmajor %thread.pfminor %proc.stdin.type %proc.stdout.type %proc.stderr.type %evt.type %proc.name %thread.nametid %thread.vnametid %thread.tid %user.homedir %user.shell %thread.cgroups %thread.cgroup[memory] %thread.cgroup[nonsense]";

fn figures(act: Act) -> Vec<Event> {
    let rules = format!(
        "- {{rule: All, desc: d, condition: 'evt.type in (execve, connect)', output: '{FIGURES}', priority: INFO}}\n"
    );
    let (seen, ..) = Scene::new().act_under(act, |setup| setup.rules(&rules));
    seen.events
}

#[test]
fn a_program_that_ends_at_once_has_its_figures() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new().exec(&tool, ["tool"]);
    let [event] = <[Event; 1]>::try_from(figures(act)).unwrap();
    // The actor's standard streams are pipes.
    event.assert_fields(&serde_json::json!({
        "proc.nthreads": 1, "proc.nchilds": 0,
        "proc.stdin.type": "pipe", "proc.stdout.type": "pipe", "proc.stderr.type": "pipe",
        "proc.vmswap": 0,
        "thread.nametid": format!("tool{}", event.number("thread.tid")),
        "thread.vmsize": event.number("proc.vmsize"),
        "thread.vmsize.b": event.number("proc.vmsize") * 1024,
        "thread.cgroup[memory]": event.text("thread.cgroups"),
        "thread.cgroup[nonsense]": null,
    }));
    let (soft, _) = nofile();
    assert_eq!(event.number("proc.fdlimit"), soft);
    let open = event.number("proc.fdopencount");
    assert!((3..100).contains(&open), "{open}");
    assert_eq!(event.number("proc.fdusage"), open * 100 / soft);
    // The kernel maps stack, code and vdso, and little else.
    assert!(
        (8..10_000).contains(&event.number("proc.vmsize")),
        "{:?}",
        event.0
    );
    assert!(event.number("thread.pfminor") > 0);
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let root = passwd
        .lines()
        .find(|line| line.starts_with("root:"))
        .unwrap();
    let root: Vec<_> = root.split(':').collect();
    assert_eq!(event.text("user.homedir"), root[5]);
    assert_eq!(event.text("user.shell"), root[6]);
}

/// The limits of descriptors of this process and its children.
fn nofile() -> (i64, i64) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let mut words = line.unwrap().split_whitespace().skip(3);
    let mut next = || words.next().unwrap().parse().unwrap();
    (next(), next())
}

#[test]
fn the_figures_of_a_thread_are_those_of_its_process() {
    let act = Act::new()
        .just("net-namespace")
        .just("thread")
        .and(tcp(AF_INET))
        .connect("127.0.0.1:1", libc::ECONNREFUSED);
    let [event] = <[Event; 1]>::try_from(figures(act)).unwrap();
    event.assert_fields(&serde_json::json!({
        "evt.type": "connect",
        "proc.nthreads": 2, "proc.nchilds": 1,
        "thread.vmsize": 0, "thread.vmrss": 0,
    }));
    // An actor of some MiB. Counters by CPU may hold back some of its pages.
    let size = event.number("proc.vmsize");
    assert!(size > 1000, "{size}");
    assert!(
        (1..=size).contains(&event.number("proc.vmrss")),
        "{:?}",
        event.0
    );
    assert!(event.number("proc.fdopencount") >= 4);
}

#[test]
fn each_descriptor_counts_once_and_sockets_are_streams() {
    let refused = |act: Act| act.connect("127.0.0.1:1", libc::ECONNREFUSED);
    let act = refused(Act::new().just("net-namespace").and(tcp(AF_INET)));
    let more = (200..300).fold(act, |act, fd| {
        act.and(socket(fd, AF_INET, libc::SOCK_STREAM, 0))
    });
    let as_stdin = more.and(socket(0, AF_INET, libc::SOCK_STREAM, 0));
    let events = figures(refused(as_stdin));
    let [before, after] = events.as_slice() else {
        panic!("{events:#?}");
    };
    let open = |event: &Event| event.number("proc.fdopencount");
    // The actor may close a descriptor of its start meanwhile.
    let more = open(after) - open(before);
    assert!((99..=100).contains(&more), "{more}");
    assert_eq!(before.text("proc.stdin.type"), "pipe");
    assert_eq!(after.text("proc.stdin.type"), "ipv4");
}
