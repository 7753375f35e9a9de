//! Containers, their sandboxes, and the descriptions of their pods from the API server.

use super::*;

#[test]
fn a_container_waits_for_its_sandbox_and_takes_its_labels_and_namespaces() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            Update::SourceUp { source: 0 },
            seen(K8S, 1, workload("c", "s", "u", 100)),
        ],
    );
    assert_eq!(bed.look("c", 200), "?");
    assert_eq!(bed.asked(), ["s"]);
    assert_eq!(
        bed.apply(300, [seen(K8S, 1, sandbox("s", "u", 90))]),
        ["s", "c"]
    );
    let c = bed.known("c", 200);
    assert_eq!(c.pod.unwrap().labels_text.as_deref(), Some("app:web"));
    assert_eq!((c.host_network, c.host_pid), (Some(true), Some(false)));
}

#[test]
fn events_that_wait_for_a_container_go_on_waiting_for_its_sandbox() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    assert_eq!(bed.look("c", 200), "?");
    let reported = bed.apply(2, [seen(K8S, 1, workload("c", "s", "u", 100))]);
    assert!(reported.is_empty(), "{reported:?}");
    assert_eq!(bed.asked(), ["c", "s"]);
    assert_eq!(
        bed.apply(3, [seen(K8S, 1, sandbox("s", "u", 90))]),
        ["s", "c"]
    );
    assert_eq!(bed.look("c", 200), "c");
}

#[test]
fn a_container_without_its_sandbox_is_given_what_is_known() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            Update::SourceUp { source: 0 },
            seen(K8S, 1, workload("c", "s", "u", 100)),
        ],
    );
    assert_eq!(bed.look("c", 200), "?");
    assert_eq!(
        bed.apply(
            300,
            [Update::Missing {
                source: 0,
                id: id("s")
            }]
        ),
        ["s", "c"]
    );
    assert_eq!(bed.known("c", 200).pod.unwrap().labels_text, None);
}

#[test]
fn a_sandbox_that_nobody_knew_at_first_is_asked_for_again_by_its_container() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    assert_eq!(bed.look("s", 50), "?");
    let missing = Update::Missing {
        source: 0,
        id: id("s"),
    };
    assert_eq!(bed.apply(60, [missing]), ["s"]);
    assert_eq!(bed.look("c", 200), "?");
    bed.apply(201, [seen(K8S, 1, workload("c", "s", "u", 100))]);
    assert_eq!(bed.asked(), ["s", "c", "s"]);
    bed.apply(202, [seen(K8S, 1, sandbox("s", "u", 40))]);
    assert_eq!(bed.known("c", 200).host_network, Some(true));
}

#[test]
fn the_api_servers_labels_replace_the_sandboxs_and_change_while_it_runs() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            seen(K8S, 1, sandbox("s", "u", 90)),
            seen(K8S, 1, workload("c", "s", "u", 100)),
            api_pod("u", "app:web"),
        ],
    );
    let labels = |bed: &mut Bed| {
        bed.known("c", 200)
            .pod
            .unwrap()
            .labels_text
            .clone()
            .unwrap()
    };
    assert_eq!(&*labels(&mut bed), "app:web");
    bed.apply(2, [api_pod("u", "app:web, hot:yes")]);
    assert_eq!(&*labels(&mut bed), "app:web, hot:yes");
    bed.apply(3, [seen(K8S, 1, sandbox("s", "u", 90))]);
    assert_eq!(
        &*labels(&mut bed),
        "app:web, hot:yes",
        "the sandbox's are older"
    );
    assert_eq!(
        &*bed
            .known("c", 200)
            .pod
            .unwrap()
            .owner
            .as_ref()
            .unwrap()
            .name,
        "web"
    );
}

#[test]
fn containers_find_a_pod_that_the_api_server_reported_first() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            api_pod("u", "app:web, v:2"),
            seen(K8S, 1, sandbox("s", "u", 90)),
            seen(K8S, 1, workload("c", "s", "u", 100)),
        ],
    );
    assert_eq!(
        bed.known("c", 200).pod.unwrap().labels_text.as_deref(),
        Some("app:web, v:2")
    );
}

#[test]
fn a_pod_that_claims_the_uid_of_another_pod_does_not_change_that_pod() {
    let mut bed = bed();
    let forged = || Update::Pod {
        key: "hash".into(),
        pod: Box::new(Pod {
            name: "mine".into(),
            namespace: "shop".into(),
            labels_text: Some("forged:yes".into()),
            ..Pod::default()
        }),
    };
    bed.apply(
        1,
        [forged(), seen(K8S, 1, sandbox("s", "hash", 90)), forged()],
    );
    assert_eq!(
        bed.known("s", 100).pod.unwrap().labels_text.as_deref(),
        Some("app:web")
    );
}

#[test]
fn pods_that_are_forgotten_because_there_are_too_many_are_counted() {
    let options = CacheOptions {
        pods: 8,
        ..CacheOptions::default()
    };
    let mut bed = bed_with(1, options);
    bed.apply(1, (0..20).map(|n| api_pod(&format!("u{n}"), "app:web")));
    let kept = bed.metadata.len().1;
    assert!(kept <= 8, "{kept}");
    let forgotten = bed.metadata.lookups()[1].evictions;
    assert_eq!(forgotten, 20 - kept as u64);
}
