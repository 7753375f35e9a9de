use super::{
    super::messages::{
        ContainerMetadata, ContainerStatus, LinuxSandboxStatus, NamespaceOptions, Namespaces,
        SandboxMetadata, SandboxStatus,
    },
    *,
};

const ID: &str = "39998b0e5110ede0c3bdaaec083bd506409f84bd2026a25b0a12b5f736528d21";
const SANDBOX: &str = "4836c437aad0d06aab896a913efbb79c1cc79b12b684bf08f528b4bfc84b7ffc";
const DIGEST: &str = "sha256:9198836388137a747e5471a7a87d90709886dc609efe30d6dcb3a0bbbd33a5a6";

fn id(text: &str) -> ContainerId {
    ContainerId::new(text.as_bytes()).unwrap()
}

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

const POD: [(&str, &str); 4] = [
    ("io.kubernetes.container.name", "main"),
    ("io.kubernetes.pod.name", "web-0"),
    ("io.kubernetes.pod.namespace", "shop"),
    ("io.kubernetes.pod.uid", "u-1"),
];

/// What CRI-O answers about a container: its information has the sandbox, the process, whether the
/// container is privileged, and the OCI specification with CRI-O's own annotations.
fn of_crio() -> ContainerStatusResponse {
    let info = format!(
        r#"{{"sandboxID":"{SANDBOX}","pid":4711,"privileged":true,"runtimeSpec":{{"ociVersion":"1.0.0",
        "annotations":{{"io.kubernetes.cri-o.ImageName":"docker.io/library/nginx:1.25",
        "io.kubernetes.cri-o.SandboxID":"{SANDBOX}"}},
        "linux":{{"namespaces":[{{"type":"pid"}},{{"type":"network","path":"/var/run/netns/x"}}]}}}}}}"#
    );
    ContainerStatusResponse {
        status: Some(ContainerStatus {
            id: ID.to_owned(),
            metadata: Some(ContainerMetadata {
                name: "main".to_owned(),
            }),
            created_at: 1_795_234_972_195_111_713,
            image: Some(ImageSpec {
                image: DIGEST["sha256:".len()..].to_owned(),
                user_specified_image: String::new(),
            }),
            image_ref: format!("docker.io/library/nginx@{DIGEST}"),
            labels: map(&POD),
            annotations: HashMap::new(),
            mounts: vec![
                CriMount {
                    container_path: "/data".to_owned(),
                    host_path: "/srv/data".to_owned(),
                    readonly: true,
                    propagation: 1,
                },
                CriMount {
                    container_path: "/x".to_owned(),
                    host_path: "/y".to_owned(),
                    readonly: false,
                    propagation: 7,
                },
            ],
            image_id: String::new(),
        }),
        info: map(&[("info", &info)]),
    }
}

fn read(runtime: &'static str, answer: ContainerStatusResponse) -> Container {
    let counters = Counters::default();
    let info = Info::read(&answer.info, &counters);
    let sandbox = info.sandbox();
    container(id(ID), runtime, answer, &info, sandbox, &counters)
}

#[test]
fn a_container_of_crio_is_read() {
    let c = read("cri-o", of_crio());
    assert_eq!(c.runtime, "cri-o");
    assert_eq!(c.name.as_deref(), Some("main"));
    assert_eq!(c.image.as_deref(), Some("docker.io/library/nginx:1.25"));
    assert_eq!(c.repository.as_deref(), Some("docker.io/library/nginx"));
    assert_eq!(c.tag.as_deref(), Some("1.25"));
    assert_eq!(c.digest.as_deref(), Some(DIGEST));
    assert_eq!(c.image_id.as_deref(), DIGEST.strip_prefix("sha256:"));
    assert_eq!((c.privileged, c.init), (Some(true), Some(4711)));
    assert_eq!((c.host_pid, c.host_network), (Some(false), None));
    assert_eq!(c.sandbox, Some(id(SANDBOX)));
    assert_eq!(c.created, Some(1_795_234_972_195_111_713));
    let mounts = c.mounts.iter().map(|m| {
        format!(
            "{}:{}:{}:{}:{}",
            m.source, m.dest, m.mode, m.read_write, m.propagation
        )
    });
    assert_eq!(
        mounts.collect::<Vec<_>>(),
        ["/srv/data:/data::false:rslave", "/y:/x::true:unknown"]
    );
    let pod = c.pod.unwrap();
    assert_eq!(
        (&*pod.name, &*pod.namespace, &*pod.uid),
        ("web-0", "shop", "u-1")
    );
}

#[test]
fn a_container_of_cri_dockerd_has_no_information_and_its_own_forms_of_references() {
    let mut answer = of_crio();
    answer.info.clear();
    if let Some(status) = &mut answer.status {
        status.image = Some(ImageSpec {
            image: "nginx:1.25".to_owned(),
            user_specified_image: String::new(),
        });
        status.image_ref = format!("docker-pullable://nginx@{DIGEST}");
    }
    let c = read("docker", answer.clone());
    assert_eq!(c.image.as_deref(), Some("nginx:1.25"));
    assert_eq!(
        (c.tag.as_deref(), c.digest.as_deref()),
        (Some("1.25"), Some(DIGEST))
    );
    assert_eq!((c.privileged, c.host_pid, c.sandbox), (None, None, None));
    if let Some(status) = &mut answer.status {
        status.image_ref = format!("docker://{DIGEST}");
    }
    let c = read("docker", answer);
    assert_eq!(c.digest, None, "that is the image's id");
    assert_eq!(c.image_id.as_deref(), DIGEST.strip_prefix("sha256:"));
}

#[test]
fn containerds_information_says_privileged_where_its_configuration_does() {
    let mut answer = of_crio();
    answer.info = map(&[(
        "info",
        r#"{"config":{"linux":{"security_context":{"privileged":false}}},"privileged":true}"#,
    )]);
    assert_eq!(read("containerd", answer).privileged, Some(false));
}

#[test]
fn information_that_cannot_be_read_is_counted_and_null() {
    let counters = Counters::default();
    let info = Info::read(&map(&[("info", "{\"pid\":")]), &counters);
    assert_eq!(info.sandbox(), None);
    let counted = &counters.runtime_invalid_total;
    assert_eq!(counted.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_sandbox_has_the_pods_labels_and_namespaces() {
    let answer = SandboxStatusResponse {
        status: Some(SandboxStatus {
            id: SANDBOX.to_owned(),
            metadata: Some(SandboxMetadata {
                name: "web-0".to_owned(),
                uid: "u-1".to_owned(),
                namespace: "shop".to_owned(),
            }),
            created_at: 5,
            linux: Some(LinuxSandboxStatus {
                namespaces: Some(Namespaces {
                    options: Some(NamespaceOptions {
                        network: 2,
                        pid: 1,
                        ipc: 0,
                    }),
                }),
            }),
            labels: map(&[("app", "demo"), POD[1]]),
        }),
        info: HashMap::new(),
    };
    let c = sandbox(id(SANDBOX), "cri-o", &answer, &Counters::default());
    assert_eq!(c.kind, ContainerKind::Sandbox);
    assert_eq!((c.name.as_deref(), c.sandbox), (Some("POD"), Some(c.id)));
    assert_eq!(
        (c.host_network, c.host_pid, c.host_ipc),
        (Some(true), Some(false), Some(false))
    );
    let pod = c.pod.unwrap();
    assert_eq!(&*pod.uid, "u-1", "from the metadata");
    assert_eq!(pod.labels_text.as_deref(), Some("app:demo"));
}
