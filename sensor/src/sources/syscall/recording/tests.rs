//! What a recording says is all that rules can look at: the lines of a replay are those of the live
//! run, for a rule that prints every field.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    time::Duration,
};

use bytes::BytesMut;
use config::Config;
use events::{EventSource as _, PendingOptions};
use falco_rules::{ArgumentKind, Priority};
use metadata::{
    Container, ContainerId, ContainerState, Domains, IdMap, Metadata, Mount, Owner, Pod, Probe,
    ProbeKind, Users,
};
use outputs::{AlertOptions, internal::Record};
use sensor_ebpf::{Connect, Kind};
use telemetry::{Identity, Telemetry};

use super::{Frame, Header, Pace, Player, Recorder, Taps};
use crate::sources::syscall::{
    SystemCalls,
    event::{
        Event,
        builder::{RecordBuilder, set_comm},
    },
    fields,
    lineage::Lineage,
    pipeline::{Cgroups, Evaluator, Node, Pending, Pipeline, PipelineParts},
    rules::{Options, Requirements, RuleFile, RuleSet, compile},
};

/// A rule for each kind of events, whose output has every field of the registry.
fn every_field() -> Arc<RuleSet> {
    let mut fields = Vec::new();
    for field in fields::all().filter(|field| !field.condition_only) {
        let name = field.name;
        match field.argument {
            ArgumentKind::None => fields.push(format!("%{name}")),
            ArgumentKind::Index => fields.push(format!("%{name}[1]")),
            ArgumentKind::OptionalIndex => {
                fields.extend([format!("%{name}"), format!("%{name}[2]")]);
            }
            ArgumentKind::Name => fields.push(format!("%{name}[app]")),
            ArgumentKind::OptionalName => {
                fields.extend([format!("%{name}"), format!("%{name}[HOME]")]);
            }
        }
    }
    let text = format!(
        "- rule: all\n  desc: d\n  condition: evt.num > 0\n  output: '{}'\n  priority: INFO\n",
        fields.join(" ")
    );
    rules(&text)
}

fn rules(text: &str) -> Arc<RuleSet> {
    let compilation = compile(&[RuleFile::new("r.yaml", text)], &Options::default());
    let report = compilation.report;
    let set = compilation.set;
    Arc::new(set.unwrap_or_else(|| panic!("{}", report.text())))
}

fn telemetry() -> Arc<Telemetry> {
    Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default()))))
}

fn id(n: u8) -> ContainerId {
    ContainerId::new(format!("{n:064x}").as_bytes()).unwrap()
}

/// A container of which everything is known.
fn container(n: u8) -> Container {
    let owner = |kind: &str| Owner {
        kind: kind.into(),
        name: "cart".into(),
        uid: Some("u-1".into()),
    };
    let pod = Pod {
        name: format!("cart-{n}").into(),
        namespace: "shop".into(),
        uid: "u-2".into(),
        labels: [("app".into(), "cart".into())].into(),
        labels_text: Some("app:cart".into()),
        annotations: [("a".into(), "b".into())].into(),
        owner: Some(owner("Deployment")),
        controller: Some(owner("ReplicaSet")),
        service_account: Some("default".into()),
        node: Some("node-1".into()),
        ip: Some("10.1.0.7".into()),
        probes: Some(
            [Probe {
                container: "main".into(),
                kind: ProbeKind::Liveness,
                command: ["true".into()].into(),
            }]
            .into(),
        ),
    };
    Container {
        name: Some("main".into()),
        image: Some("docker.io/library/busybox:1.36".into()),
        repository: Some("docker.io/library/busybox".into()),
        tag: Some("1.36".into()),
        digest: Some("sha256:ab".into()),
        image_id: Some("cd".into()),
        privileged: Some(true),
        host_network: Some(false),
        host_pid: Some(false),
        host_ipc: Some(true),
        healthcheck: Some(["true".into()].into()),
        mounts: [Mount {
            source: "/a".into(),
            dest: "/b".into(),
            mode: "ro".into(),
            read_write: false,
            propagation: "private".into(),
        }]
        .into(),
        created: Some(5),
        labels: [("app".into(), "cart".into())].into(),
        uid_map: [IdMap {
            container: 0,
            host: 0,
            size: 10_000,
        }]
        .into(),
        pod: Some(Arc::new(pod)),
        ..Container::new(id(n), "containerd")
    }
}

/// A pipeline with a recorder, and what the recorder passes on.
struct Live {
    pipeline: Pipeline,
    chunks: Receiver<Vec<u8>>,
    lines: BytesMut,
}

impl Live {
    fn start(rules: Arc<RuleSet>, room: usize) -> Self {
        let telemetry = telemetry();
        let ledger = Arc::new(SystemCalls::ledger());
        let (sender, chunks) = sync_channel(room);
        let (door, taps) = Taps::new(None).unwrap();
        let identity = &telemetry.identity;
        let recorder = Recorder::new(
            sender,
            Pace::Live(Duration::ZERO),
            None,
            identity,
            Arc::clone(&ledger),
        );
        assert!(door.send(recorder));
        let mut users = Users::default();
        users.set_user(None, 1000, Some(["ann", "/home/ann", "/bin/zsh"]));
        users.set_user(Some(id(1)), 33, Some(["www", "/var/www", "/bin/false"]));
        users.set_group(Some(id(1)), 33, Some("web"));
        let address = "93.184.216.34".parse().unwrap();
        let pipeline = Pipeline::new(PipelineParts {
            marker: Arc::default(),
            wider: Some(Requirements::everything()),
            taps,
            rules,
            alerts: AlertOptions::default(),
            node: Node::new(&identity.hostname, &identity.boot_id),
            metadata: Metadata::fixed([container(1)]).unwrap(),
            pending: Pending::new(
                PendingOptions {
                    time: Duration::ZERO,
                    ..PendingOptions::default()
                },
                Arc::default(),
            ),
            users,
            domains: Domains::fixed([(address, vec!["example.org".into()])]),
            lineage: Lineage::new(),
            cgroups: Cgroups::new(metadata::Node::default(), vec!["k8s.io".into()]),
            ledger,
            telemetry,
        });
        Self {
            pipeline,
            chunks,
            lines: BytesMut::new(),
        }
    }

    fn process(&mut self, record: &RecordBuilder) {
        self.pipeline.begin_batch(&mut self.lines);
        self.pipeline.process(&record.build(), &mut self.lines);
        self.pipeline.flushed();
    }

    /// The lines of the live run, and the chunks of the recording.
    fn finish(self) -> (String, Vec<Vec<u8>>) {
        let Self {
            mut pipeline,
            mut lines,
            chunks,
        } = self;
        // What waits is taken before the end, which waits for nobody.
        let mut taken: Vec<_> = chunks.try_iter().collect();
        let reader = std::thread::spawn(move || {
            taken.extend(chunks.iter());
            taken
        });
        pipeline.finish(&mut lines);
        pipeline.end_recordings();
        drop(pipeline);
        let lines = String::from_utf8(lines.to_vec()).unwrap();
        (lines, reader.join().unwrap())
    }
}

/// The lines of a replay of chunks.
fn replay(chunks: &[Vec<u8>], rules: &Arc<RuleSet>) -> (String, super::Played) {
    let telemetry = telemetry();
    let mut started = None;
    let mut lines = BytesMut::new();
    for chunk in chunks {
        let mut rest = &chunk[..];
        while let Some(frame) = Frame::read(&mut rest).unwrap() {
            if let Frame::Header(header) = &frame {
                header.check().unwrap();
                let rules = Arc::clone(rules);
                let alerts = AlertOptions::default();
                started = Some(Player::new(header, rules, alerts, &telemetry));
            }
            started.as_mut().unwrap().play(frame, &mut lines).unwrap();
        }
    }
    let lines = String::from_utf8(lines.to_vec()).unwrap();
    (lines, started.unwrap().played().clone())
}

/// The kinds of frames.
fn kinds(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (&kind, after) = rest.split_first()?;
        let (len, after) = after.split_first_chunk()?;
        rest = &after[u32::from_le_bytes(*len) as usize..];
        Some(kind)
    })
}

/// Events of each kind and in each place, whose processes run programs of each other.
fn events() -> Vec<RecordBuilder> {
    let in_container = |record: RecordBuilder, n: u8| {
        let mut record = record.in_cgroup(&format!("/kubepods/pod{n}/{n:064x}"));
        record.task.cgroup_id = 100 + u64::from(n);
        record.task.euid = 33;
        record.task.egid = 33;
        record
    };
    let mut all = Vec::new();
    let mut shell = RecordBuilder::exec("/bin/sh", &["sh", "-c", "curl x"]);
    shell.env = vec![b"HOME=/root".to_vec(), b"A=1".to_vec()];
    shell.task.loginuid = 1000;
    shell.task.image_time = 10;
    shell.task.image_tgid = shell.task.tgid;
    all.push(shell.clone());
    all.push(in_container(shell.clone(), 1));
    all.push(in_container(shell.clone(), 2));
    let mut failed = RecordBuilder::exec("/bin/gone", &["gone"]);
    failed.kind = Kind::ExecFailed;
    failed.exec.result = -2;
    all.push(in_container(failed, 1));
    let mut connect = Connect {
        fd: 3,
        family: 2,
        protocol: 6,
        socket_type: 1,
        remote_port: 443,
        local_port: 40_000,
        ..Connect::default()
    };
    connect.remote[..4].copy_from_slice(&[93, 184, 216, 34]);
    connect.local[..4].copy_from_slice(&[10, 1, 0, 7]);
    let mut connect = RecordBuilder::connect(connect);
    connect.task.image_time = 10;
    connect.task.image_tgid = shell.task.tgid;
    set_comm(&mut connect.task.comm, "curl");
    all.push(connect.clone());
    all.push(in_container(connect.clone(), 1));
    all.push(in_container(connect, 2));
    let mut call = RecordBuilder::call(Kind::Setns, 0, [3, 0]);
    call.task.image_time = 10;
    call.task.image_tgid = shell.task.tgid;
    all.push(in_container(call, 1));
    for (n, record) in (1..).zip(&mut all) {
        record.time = 1_000_000 * n;
    }
    all
}

#[test]
fn a_replay_writes_each_field_of_each_event_as_the_live_run_did() {
    let mut live = Live::start(every_field(), 1000);
    for record in events() {
        live.process(&record);
    }
    let (expected, chunks) = live.finish();
    let (lines, played) = replay(&chunks, &every_field());
    assert_eq!(expected.lines().count(), events().len());
    for (line, expected) in lines.lines().zip(expected.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(lines, expected);
    assert_eq!(usize::try_from(played.events).unwrap(), events().len());
    assert_eq!(played.matched, played.events);
    assert_eq!(played.missing, 0);
}

#[test]
fn an_exec_that_waited_while_its_program_changed_is_replayed_with_the_later_program() {
    let execs = ["/bin/old", "/bin/new"].map(|path| {
        let mut exec = RecordBuilder::exec(path, &[path]);
        exec.task.image_time = 10;
        exec.task.image_tgid = exec.task.tgid;
        exec.build()
    });
    let execs = execs.each_ref().map(|exec| Event::decode(exec).unwrap());
    let telemetry = telemetry();
    let identity = &telemetry.identity;
    let node = Node::new(&identity.hostname, &identity.boot_id);
    let known = (Users::default(), Domains::default());
    let alerts = AlertOptions::default();
    let (rules, lineage) = (every_field(), Lineage::new());
    let mut evaluator = Evaluator::new(rules, alerts, node, lineage, known, &telemetry);
    let (sender, chunks) = sync_channel(1);
    let ledger = Arc::new(SystemCalls::ledger());
    let mut recorder = Recorder::new(sender, Pace::Blocks, None, identity, ledger);
    for exec in &execs {
        evaluator.lineage.observe(exec);
    }
    let mut lines = BytesMut::new();
    for exec in &execs {
        evaluator.with(exec, ContainerState::Host, |engine, context| {
            engine.evaluate(context, &mut lines);
            recorder.record(context, true);
        });
    }
    recorder.finish(true);
    let chunk = chunks.recv().unwrap();
    let apart = kinds(&chunk).filter(|kind| *kind == 10).count();
    assert_eq!(apart, 1, "the first exec does not bring its program");
    let (replayed, _) = replay(&[chunk], &every_field());
    assert_eq!(replayed, String::from_utf8(lines.to_vec()).unwrap());
}

#[test]
fn what_the_sensor_says_about_itself_is_replayed_at_its_place() {
    let mut live = Live::start(every_field(), 1000);
    let identity = Identity::new(&Config::default());
    let record = Record::new("Sensor internal: test", Priority::Notice, "said")
        .field("share", 0.1 + 0.2)
        .written(&identity);
    for (number, event) in events().iter().enumerate() {
        live.process(event);
        if number == 2 {
            live.lines.extend_from_slice(&record.line(&identity));
            live.pipeline.note(&record);
        }
    }
    let (expected, chunks) = live.finish();
    let (lines, played) = replay(&chunks, &every_field());
    assert_eq!(lines, expected);
    assert_eq!(played.records, 1);
    assert!(expected.contains("0.30000000000000004"));
}

#[test]
fn what_the_sensor_says_about_itself_comes_late_if_the_reader_is_too_slow() {
    let mut live = Live::start(every_field(), 2);
    let identity = Identity::new(&Config::default());
    for number in 0..9 {
        let said = format!("said {number}");
        let record = Record::new("Sensor internal: test", Priority::Notice, said);
        live.pipeline.note(&record.written(&identity));
        live.process(&events()[0]);
    }
    let (_, chunks) = live.finish();
    let (lines, played) = replay(&chunks, &every_field());
    assert!(played.missing > 0, "{played:?}");
    let said = |number| lines.contains(&format!("said {number}"));
    assert!((0..9).all(said), "{lines}");
}

#[test]
fn a_recording_has_events_that_no_rule_of_the_live_run_wants() {
    let only_connects = "- rule: c\n  desc: d\n  condition: evt.type = connect and container.id = host\n  output: x\n  priority: INFO\n";
    let mut live = Live::start(rules(only_connects), 1000);
    for record in events() {
        live.process(&record);
    }
    let totals = live.pipeline.ledger().totals();
    assert_eq!(totals.sum(|kind| kind.matched), 1);
    assert_eq!(
        totals.sum(|kind| kind.passed_over),
        events().len() as u64 - 1
    );
    let (own, chunks) = live.finish();
    assert_eq!(own.lines().count(), 1);
    let (lines, _) = replay(&chunks, &every_field());
    assert_eq!(lines.lines().count(), events().len());
}

#[test]
fn a_reader_that_is_too_slow_lacks_events_knows_how_many_and_goes_on() {
    let mut live = Live::start(every_field(), 2);
    for _ in 0..5 {
        for record in events() {
            live.process(&record);
        }
    }
    let (expected, chunks) = live.finish();
    let (lines, played) = replay(&chunks, &every_field());
    let all = 5 * events().len();
    assert_eq!(expected.lines().count(), all);
    assert_eq!(
        usize::try_from(played.events).unwrap() + usize::try_from(played.missing).unwrap(),
        all
    );
    assert!(played.missing > 0, "{played:?}");
    let expected: Vec<_> = expected.lines().collect();
    assert!(lines.lines().all(|line| expected.contains(&line)));
}

#[test]
fn a_reader_hears_of_a_gap_although_no_event_follows() {
    const GAP: u8 = 9;
    let mut live = Live::start(every_field(), 1);
    for _ in 0..3 {
        live.process(&events()[0]);
    }
    let taken = live.chunks.try_iter().count();
    assert_eq!(taken, 1, "the reader was too slow for the others");
    assert_eq!(live.pipeline.patience(), Duration::ZERO);
    live.pipeline.flushed();
    let chunk = live.chunks.try_recv().unwrap();
    assert!(kinds(&chunk).any(|kind| kind == GAP));
}

#[test]
fn a_recording_of_another_form_of_records_is_refused() {
    let header = Header {
        sensor: "9.9.9".into(),
        wire: 99,
        arch: std::env::consts::ARCH.into(),
        ..Header::default()
    };
    let error = header.check().unwrap_err().to_string();
    assert!(
        error.contains("sensor 9.9.9") && error.contains("version 99"),
        "{error}"
    );
}
