use containerd_client::services::v1::container::Runtime;
use prost_types::{Any, Timestamp};
use serde_json::Value;

use super::*;

const CONTAINER: &str =
    include_str!("../../../../tests/testbed/fixtures/containerd-Containers-Get.json");
const SANDBOX: &str =
    include_str!("../../../../tests/testbed/fixtures/containerd-Containers-Get-sandbox.json");

/// A reply recorded from containerd.
fn record(json: &str) -> Record {
    let json: Value = serde_json::from_str(json).unwrap();
    let c = &json["container"];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let any = |v: &Value| Any {
        type_url: text(&v["type_url"]),
        value: text(&v["value"]).into_bytes(),
    };
    Record {
        id: text(&c["id"]),
        image: text(&c["image"]),
        labels: c["labels"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.clone(), text(v)))
            .collect(),
        runtime: Some(Runtime::default()),
        spec: Some(any(&c["spec"])),
        created_at: Some(Timestamp {
            seconds: c["created_at"]["seconds"].as_i64().unwrap(),
            nanos: i32::try_from(c["created_at"]["nanos"].as_i64().unwrap()).unwrap(),
        }),
        extensions: c["extensions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| (text(&e["key"]), any(&e["value"])))
            .collect(),
        ..Record::default()
    }
}

fn read(record: &Record) -> Container {
    *describe("k8s.io", record, &Counters::default())
        .unwrap()
        .container
}

#[test]
fn a_real_container_is_read() {
    let c = read(&record(CONTAINER));
    assert_eq!(c.id.short(), "39998b0e5110");
    assert_eq!(c.kind, ContainerKind::Container);
    assert_eq!(c.name.as_deref(), Some("httpd"));
    assert_eq!(c.repository.as_deref(), Some("docker.io/testbed/busybox"));
    assert_eq!(c.tag.as_deref(), Some("1"));
    assert!(c.image_id.as_deref().unwrap().starts_with("919883638813"));
    assert_eq!(c.privileged, Some(false));
    assert_eq!(
        (c.host_network, c.host_pid, c.host_ipc),
        (None, Some(false), None)
    );
    assert_eq!(c.created, Some(1_795_234_972_195_111_713));
    let pod = c.pod.unwrap();
    assert_eq!(
        (&*pod.name, &*pod.namespace),
        ("web-7b658bcd76-sjw5h", "shop")
    );
    assert_eq!(
        pod.labels_text, None,
        "a container does not have its pod's labels"
    );
    assert_eq!(c.sandbox.unwrap().short(), "4836c437aad0");
    let mounts: Vec<_> = c.mounts.iter().map(|m| (&*m.dest, m.read_write)).collect();
    assert_eq!(
        mounts,
        [
            ("/var/run/secrets/kubernetes.io/serviceaccount", false),
            ("/etc/hosts", true),
            ("/dev/termination-log", true),
        ]
    );
}

#[test]
fn a_real_sandbox_has_the_pods_labels() {
    let c = read(&record(SANDBOX));
    assert_eq!(c.kind, ContainerKind::Sandbox);
    assert_eq!(c.name.as_deref(), Some("POD"));
    assert_eq!(c.sandbox, Some(c.id));
    assert_eq!((c.host_network, c.host_pid), (Some(false), Some(false)));
    let text = c.pod.unwrap().labels_text.clone().unwrap();
    assert!(text.contains("app:"), "{text}");
    assert!(!text.contains("io."), "{text}");
}

#[test]
fn an_image_without_name_shows_what_the_spec_says() {
    let mut r = record(CONTAINER);
    r.image = format!("sha256:{}", "9".repeat(64));
    assert_eq!(
        read(&r).image.as_deref(),
        Some("docker.io/testbed/busybox:1")
    );
}

#[test]
fn what_cannot_be_read_is_counted_and_null() {
    let counters = Counters::default();
    let mut r = record(CONTAINER);
    r.spec = Some(Any {
        type_url: String::new(),
        value: b"{\"linux\":".to_vec(),
    });
    let c = describe("k8s.io", &r, &counters).unwrap().container;
    assert_eq!(
        (c.privileged, c.mounts.len()),
        (None, 3),
        "CRI's record is whole"
    );
    assert_eq!(c.name.as_deref(), Some("httpd"));
    let counted = &counters.runtime_invalid_total;
    assert_eq!(counted.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_hostile_id_is_no_container() {
    for id in ["", "a b", "\u{e9}", &"x".repeat(65)] {
        let mut r = record(CONTAINER);
        r.id = id.to_owned();
        assert!(describe("k8s.io", &r, &Counters::default()).is_none());
    }
}

#[test]
fn dockers_namespace_is_docker() {
    let c = describe("moby", &record(CONTAINER), &Counters::default()).unwrap();
    assert_eq!(c.container.runtime, "docker");
}
