use std::sync::Arc;

use super::*;

const DOCKER: &str = include_str!("../../../../tests/testbed/fixtures/docker-container.json");
const PODMAN: &str = include_str!("../../../../tests/testbed/fixtures/podman-container.json");

fn read(json: &str, runtime: &'static str, image: &str) -> Container {
    let object: ContainerObject = serde_json::from_str(json).unwrap();
    let image = serde_json::from_str(image).unwrap();
    object
        .describe(runtime, Some(image), &Counters::default())
        .unwrap()
}

fn mounts(container: &Container) -> Vec<(&str, &str, &str, bool, &str)> {
    let all = container.mounts.iter();
    all.map(|m| {
        (
            &*m.source,
            &*m.dest,
            &*m.mode,
            m.read_write,
            &*m.propagation,
        )
    })
    .collect()
}

#[test]
fn a_real_container_of_docker_is_read() {
    let c = read(
        DOCKER,
        "docker",
        r#"{"RepoTags":["bb:1"],"RepoDigests":[]}"#,
    );
    assert_eq!(c.name.as_deref(), Some("web"));
    assert_eq!(c.image.as_deref(), Some("bb:1"));
    assert_eq!(
        (c.repository.as_deref(), c.tag.as_deref()),
        (Some("bb"), Some("1"))
    );
    assert_eq!(c.digest, None);
    assert_eq!(c.image_id.as_deref().map(str::len), Some(64));
    assert_eq!(c.privileged, Some(false));
    assert_eq!(
        (c.host_network, c.host_pid, c.host_ipc),
        (Some(false), Some(false), Some(false))
    );
    assert_eq!(
        mounts(&c),
        [("/tmp/nd/rootfs", "/data", "ro", false, "rprivate")]
    );
    assert_eq!(crate::label(&c.labels, "a"), Some("b"));
    assert!(c.init.is_some() && c.rootfs.unwrap().ends_with("/merged"));
    let created = c.created.unwrap();
    assert_eq!(created % 1_000_000_000, 797_964_978);
    assert_eq!((c.pod, c.sandbox), (None, None));
}

#[test]
fn a_real_container_of_podman_is_read() {
    let image = r#"{"RepoTags":["localhost/bb:1"],"RepoDigests":["localhost/bb@sha256:7f"]}"#;
    let c = read(PODMAN, "podman", image);
    assert_eq!(c.name.as_deref(), Some("pweb"));
    assert_eq!(c.image.as_deref(), Some("localhost/bb:1"));
    assert_eq!(c.repository.as_deref(), Some("localhost/bb"));
    assert_eq!(
        (c.tag.as_deref(), c.digest.as_deref()),
        (Some("1"), Some("sha256:7f"))
    );
    assert_eq!(
        mounts(&c),
        [("/tmp/nd/rootfs", "/data", "", false, "rprivate")]
    );
}

#[test]
fn a_health_check_is_a_command_line() {
    let check = |config: &str| {
        let id = "0123456789ab".repeat(6)[..64].to_owned();
        let json = format!(r#"{{"Id":"{id}","Config":{config}}}"#);
        read(&json, "docker", "{}")
            .healthcheck
            .map(|words| words.join("|"))
    };
    assert_eq!(check("{}"), None);
    assert_eq!(check(r#"{"Healthcheck":{"Test":[]}}"#), None);
    assert_eq!(
        check(r#"{"Healthcheck":{"Test":["NONE"]}}"#).as_deref(),
        Some("")
    );
    assert_eq!(
        check(r#"{"Healthcheck":{"Test":["CMD","curl","-f","http://localhost"]}}"#).as_deref(),
        Some("curl|-f|http://localhost")
    );
    assert_eq!(
        check(r#"{"Healthcheck":{"Test":["CMD-SHELL","a && b"]}}"#).as_deref(),
        Some("/bin/sh|-c|a && b")
    );
    assert_eq!(
        check(r#"{"Shell":["bash","-ec"],"Healthcheck":{"Test":["CMD-SHELL","a"]}}"#).as_deref(),
        Some("bash|-ec|a")
    );
}

#[test]
fn the_first_repository_of_an_image_has_the_tag_and_the_digest() {
    let image =
        r#"{"RepoTags":["a/x:9","b/y:2","b/y:3"],"RepoDigests":["b/y@sha256:1","a/x@sha256:2"]}"#;
    let c = read(r#"{"Id":"1","Config":{"Image":"b/y:3"}}"#, "docker", image);
    let parts = (
        c.repository.as_deref(),
        c.tag.as_deref(),
        c.digest.as_deref(),
    );
    assert_eq!(parts, (Some("b/y"), Some("2"), Some("sha256:1")));
    assert_eq!(
        c.image.as_deref(),
        Some("b/y:3"),
        "as somebody asked for it"
    );
}

#[test]
fn an_image_without_a_name_leaves_that_of_the_container() {
    let c = read(
        r#"{"Id":"1","Config":{"Image":"registry.local:5000/a:2"}}"#,
        "docker",
        r#"{"RepoTags":null}"#,
    );
    assert_eq!(c.repository.as_deref(), Some("registry.local:5000/a"));
    assert_eq!(c.tag.as_deref(), Some("2"));
}

#[test]
fn a_privileged_container_in_the_hosts_namespaces_says_so() {
    let c = read(
        r#"{"Id":"1","HostConfig":{"Privileged":true,"NetworkMode":"host","PidMode":"host","IpcMode":"host"}}"#,
        "docker",
        "{}",
    );
    assert_eq!(c.privileged, Some(true));
    assert_eq!(
        (c.host_network, c.host_pid, c.host_ipc),
        (Some(true), Some(true), Some(true))
    );
}

/// Labels as cri-dockerd writes them.
const POD: &str = r#""io.kubernetes.pod.name":"web-0","io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"u-1""#;

#[test]
fn a_container_of_cri_dockerd_has_its_pod_and_its_name_there() {
    let c = read(
        &format!(
            r#"{{"Id":"1","Name":"/k8s_main_web-0_shop_u-1_0","Config":{{"Labels":{{{POD},
            "io.kubernetes.container.name":"main","io.kubernetes.docker.type":"container",
            "io.kubernetes.sandbox.id":"abc"}}}}}}"#
        ),
        "docker",
        "{}",
    );
    assert_eq!(c.name.as_deref(), Some("main"));
    assert_eq!(c.sandbox, ContainerId::new(b"abc"));
    let pod = c.pod.unwrap();
    assert_eq!(
        (&*pod.name, &*pod.namespace, &*pod.uid),
        ("web-0", "shop", "u-1")
    );
    assert_eq!(pod.labels_text, None);
}

#[test]
fn a_sandbox_of_cri_dockerd_has_the_labels_of_the_pod() {
    let c = read(
        &format!(
            r#"{{"Id":"1","Name":"/k8s_POD_web-0_shop_u-1_0","Config":{{"Labels":{{{POD},"app":"demo",
            "annotation.x":"y","io.kubernetes.container.name":"POD",
            "io.kubernetes.docker.type":"podsandbox"}}}}}}"#
        ),
        "docker",
        "{}",
    );
    assert_eq!(c.kind, ContainerKind::Sandbox);
    assert_eq!(c.name.as_deref(), Some("POD"));
    let pod: Arc<crate::Pod> = c.pod.unwrap();
    assert_eq!(pod.labels_text.as_deref(), Some("app:demo"));
}

#[test]
fn the_event_of_a_creation_has_name_image_and_labels() {
    let event = |name: &str, image: &str, more: &str| {
        format!(
            r#"{{"status":"create","Type":"container","Action":"create","Actor":{{"ID":"12ab",
            "Attributes":{{"a":"b","image":"{image}","name":"{name}"{more}}}}},"timeNano":77}}"#
        )
    };
    for json in [
        event("web", "bb:1", ""),
        event("web", "bb:1", r#","containerExitCode":"0","podId":"""#),
    ] {
        let event: EventObject = serde_json::from_str(&json).unwrap();
        assert!(event.is_creation() && !event.is_end());
        let id = ContainerId::new(event.id().as_bytes()).unwrap();
        let c = event.describe(id, "docker", &Counters::default());
        assert_eq!(
            (c.name.as_deref(), c.tag.as_deref()),
            (Some("web"), Some("1"))
        );
        assert_eq!(c.labels.len(), 1, "{:?}", c.labels);
        assert_eq!(c.created, Some(77));
    }
}

#[test]
fn hostile_objects_are_no_containers_and_lack_what_is_odd() {
    for json in ["{}", r#"{"Id":"a b"}"#, r#"{"Id":"é"}"#] {
        let object: ContainerObject = serde_json::from_str(json).unwrap();
        assert!(
            object
                .describe("docker", None, &Counters::default())
                .is_none()
        );
    }
    let c = read(
        r#"{"Id":"1","Name":"/a\nb","Created":"yesterday","State":null,"Config":null,"HostConfig":null,"Mounts":null,"GraphDriver":{"Data":null}}"#,
        "docker",
        r#"{"RepoDigests":["no-digest",""],"RepoTags":["<none>:<none>"]}"#,
    );
    assert_eq!(c.name.as_deref(), Some("a\u{fffd}b"));
    assert_eq!((c.created, c.privileged, c.init), (None, None, None));
    assert!(serde_json::from_str::<EventObject>(r#"{"Action":1}"#).is_err());
}
