use super::*;

const LIST: &str = include_str!("../../../../tests/testbed/fixtures/list-pods-node1.json");
const WATCH: &str = include_str!("../../../../tests/testbed/fixtures/watch-pods-node1.jsonl");
const EXPIRED: &str = include_str!("../../../../tests/testbed/fixtures/watch-410.jsonl");

fn trim(json: &str, chosen: &[&str]) -> (Box<str>, Pod) {
    let chosen: Vec<String> = chosen.iter().map(|&c| c.to_owned()).collect();
    let pod: PodObject = serde_json::from_str(json).unwrap();
    pod.trim(&chosen, &Counters::default())
}

#[test]
fn a_real_list_is_read() {
    let list: PodList = serde_json::from_str(LIST).unwrap();
    assert_eq!(list.metadata.resource_version, "388");
    let pods: Vec<Pod> = list
        .items
        .iter()
        .map(|p| p.trim(&["note".into()], &Counters::default()).1)
        .collect();
    assert_eq!(pods.len(), 4);
    let lone = &pods[0];
    assert_eq!(
        lone.labels_text.as_deref(),
        Some("app:lone, hot:yes, tier:back")
    );
    assert_eq!(lone.ip.as_deref(), Some("10.244.0.2"));
    assert_eq!(lone.service_account.as_deref(), Some("default"));
    assert_eq!(lone.annotations.len(), 1, "only the chosen one");
    assert_eq!(lone.owner, None);
    let owner = |n: usize| pods[n].owner.as_ref().map(|o| (&*o.kind, &*o.name));
    assert_eq!(owner(1), Some(("DaemonSet", "sensor")));
    assert_eq!(owner(2), Some(("Deployment", "web")));
    let set = pods[2].controller.as_ref().unwrap();
    assert_eq!(&*set.kind, "ReplicaSet");
    assert!(set.name.starts_with("web-"), "{set:?}");
    assert_eq!(set.uid.as_ref().map(|uid| uid.len()), Some(36));
    assert_eq!(pods[2].owner.as_ref().unwrap().uid, None);
}

#[test]
fn real_watch_events_are_read() {
    for line in WATCH.lines() {
        let event: WatchEvent = serde_json::from_str(line).unwrap();
        assert!(matches!(event.kind.as_str(), "ADDED" | "MODIFIED"));
        assert_eq!(event.object.metadata.namespace, "shop");
    }
    let event: WatchEvent = serde_json::from_str(EXPIRED.trim()).unwrap();
    assert_eq!((event.kind.as_str(), event.object.code), ("ERROR", 410));
    assert!(event.object.message.starts_with("too old resource version"));
}

#[test]
fn a_static_pod_is_known_by_the_hash_of_its_file() {
    let (key, pod) = trim(
        r#"{"metadata":{"name":"etcd-n","namespace":"kube-system","uid":"u",
        "annotations":{"kubernetes.io/config.hash":"0123"},
        "ownerReferences":[{"kind":"Node","name":"n","controller":true}]}}"#,
        &[],
    );
    assert_eq!((&*key, &*pod.uid), ("0123", "0123"));
}

#[test]
fn only_a_nodes_pod_can_claim_a_hash() {
    let (key, _) = trim(
        r#"{"metadata":{"name":"p","uid":"u","annotations":{"kubernetes.io/config.hash":"0123"}}}"#,
        &[],
    );
    assert_eq!(&*key, "u");
}

#[test]
fn a_replica_set_without_deployment_is_the_owner_itself() {
    let (_, pod) = trim(
        r#"{"metadata":{"uid":"u","ownerReferences":[{"kind":"ReplicaSet","name":"alone","controller":true}]}}"#,
        &[],
    );
    assert_eq!(&*pod.owner.unwrap().kind, "ReplicaSet");
}

#[test]
fn an_object_with_nulls_and_without_members_is_read() {
    let (key, pod) = trim(
        r#"{"metadata":{"uid":"u","labels":null,"annotations":null,"ownerReferences":[]},"status":{}}"#,
        &[],
    );
    assert_eq!(&*key, "u");
    assert_eq!(pod.labels_text.as_deref(), Some(""));
    assert_eq!(pod.ip, None);
}

#[test]
fn probes_that_execute_a_command_are_kept() {
    let json = r#"{"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [
        {"name": "a", "livenessProbe": {"exec": {"command": ["cat", "/up", ""]}},
                      "readinessProbe": {"httpGet": {"port": 80}}},
        {"name": "b", "readinessProbe": {"exec": {"command": ["sh", "-c", "a b"]}, "periodSeconds": 1},
                      "livenessProbe": null},
        {"name": "c", "livenessProbe": {"exec": {"command": ["LONG"]}}},
        {"name": "d", "livenessProbe": {"exec": {"command": null}}, "readinessProbe": {"exec": null}}
    ]}}"#;
    let (_, pod) = trim(&json.replace("LONG", &"x".repeat(4096)), &[]);
    let probes: Vec<_> = pod.probes.iter().flatten().collect();
    let [live, ready] = probes.as_slice() else {
        panic!("{probes:?}");
    };
    assert_eq!((&*live.container, live.kind), ("a", ProbeKind::Liveness));
    assert_eq!(*live.command, ["cat".into(), "/up".into(), "".into()]);
    assert_eq!((&*ready.container, ready.kind), ("b", ProbeKind::Readiness));
    assert_eq!(*ready.command, ["sh".into(), "-c".into(), "a b".into()]);
}

#[test]
fn the_containers_of_a_real_pod_have_name_image_and_pod() {
    let list: PodList = serde_json::from_str(LIST).unwrap();
    let pod = &list.items[2];
    let view = Arc::new(pod.trim(&[], &Counters::default()).1);
    let containers = pod.containers(&view);
    let names: Vec<_> = containers
        .iter()
        .map(|c| c.name.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["httpd", "setup"]);
    for container in &containers {
        assert!(container.id.is_hexadecimal());
        assert_eq!(container.runtime, "containerd");
        assert_eq!(
            container.image.as_deref(),
            Some("docker.io/testbed/busybox:1")
        );
        assert_eq!(container.tag.as_deref(), Some("1"));
        assert_eq!(
            (container.privileged, container.host_pid),
            (Some(false), Some(false))
        );
        assert_eq!(&*container.pod.as_ref().unwrap().namespace, "shop");
    }
}

#[test]
fn what_a_pod_specifies_and_what_kubelet_reports_go_together_by_name() {
    let pod: PodObject = serde_json::from_str(&format!(
        r#"{{"spec":{{"hostNetwork":true,"hostPID":true,"containers":[
            {{"name":"a","image":"x:1","securityContext":{{"privileged":true}}}},
            {{"name":"b","image":"y"}}]}},
        "status":{{"containerStatuses":[
            {{"name":"b","image":"docker.io/library/y:latest","imageID":"docker-pullable://y@sha256:12",
              "containerID":"docker://{id}"}},
            {{"name":"a","image":"x:1","imageID":"sha256:34","containerID":"cri-o://{id}"}},
            {{"name":"waiting","image":"z","containerID":""}},
            {{"name":"odd","containerID":"rkt://a b"}},
            {{"name":"new","image":"n:2","containerID":"other://0a"}}]}}}}"#,
        id = "0a".repeat(32)
    ))
    .unwrap();
    let containers = pod.containers(&Arc::default());
    let [b, a, new] = containers.as_slice() else {
        panic!("{containers:?}")
    };
    assert_eq!((b.runtime, b.image.as_deref()), ("docker", Some("y")));
    assert_eq!(
        (b.digest.as_deref(), b.privileged),
        (Some("sha256:12"), Some(false))
    );
    assert_eq!((a.runtime, a.privileged), ("cri-o", Some(true)));
    assert_eq!((a.digest.as_deref(), a.host_network), (None, Some(true)));
    assert_eq!((new.runtime, new.privileged), ("cri", None));
    assert_eq!(new.image.as_deref(), Some("n:2"));
}
