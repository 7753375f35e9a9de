use std::sync::atomic::Ordering;

use super::*;
use crate::Owner;

const SECOND: u64 = 1_000_000_000;
const K8S: Origin = Origin {
    source: 0,
    namespace: 0,
};
const MOBY: Origin = Origin {
    source: 0,
    namespace: 1,
};

/// The caches, and a test in the role of the tasks.
struct Bed {
    metadata: Metadata,
    updates: Updates,
    questions: Vec<mpsc::Receiver<ContainerId>>,
    counters: Arc<Counters>,
}

fn bed_with(sources: usize, options: CacheOptions) -> Bed {
    let (updates, inbox) = Updates::channel().unwrap();
    let (senders, questions) = (0..sources).map(|_| mpsc::channel(4)).unzip();
    let counters = Arc::new(Counters::default());
    Bed {
        metadata: Metadata::new(options, senders, false, inbox, Arc::clone(&counters)),
        updates,
        questions,
        counters,
    }
}

fn bed() -> Bed {
    bed_with(1, CacheOptions::default())
}

impl Bed {
    fn apply(&mut self, now: u64, updates: impl IntoIterator<Item = Update>) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut resolved = Vec::new();
        for update in updates {
            runtime.block_on(self.updates.send(update));
            let ids = self.metadata.apply_updates(now);
            resolved.extend(ids.iter().map(|id| id.full().to_owned()));
        }
        resolved
    }

    fn asked(&mut self) -> Vec<String> {
        let questions = self.questions.iter_mut();
        questions
            .flat_map(|q| std::iter::from_fn(|| q.try_recv().ok()))
            .map(|id| id.full().to_owned())
            .collect()
    }

    /// The name of the container that an event gets; `?` for pending, `-` for unknown.
    fn look(&mut self, name: &str, happened: u64) -> String {
        match self.metadata.lookup(&id(name), happened) {
            Lookup::Known(container) => container.image.clone().unwrap().into(),
            Lookup::Pending => "?".into(),
            Lookup::Unknown => "-".into(),
        }
    }

    fn known(&mut self, name: &str, happened: u64) -> Container {
        match self.metadata.lookup(&id(name), happened) {
            Lookup::Known(container) => container.clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn id(name: &str) -> ContainerId {
    ContainerId::new(name.as_bytes()).unwrap()
}

/// A container; the image distinguishes it from others with the same name.
fn container(name: &str, image: &str, created: u64) -> Container {
    Container {
        image: Some(image.into()),
        created: Some(created),
        ..Container::new(id(name), "containerd")
    }
}

fn seen(origin: Origin, epoch: u32, container: Container) -> Update {
    Update::Container {
        origin,
        detail: Detail::Whole,
        epoch,
        created: container.created.unwrap(),
        container: Box::new(container),
    }
}

/// A runtime whose socket exists does not answer.
fn down(source: u8) -> Update {
    Update::SourceDown {
        source,
        is_absent: false,
    }
}

/// Reports to the cache, as `K8S` would, that a container was deleted.
fn gone(name: &str, at: u64) -> Update {
    Update::Gone {
        origin: K8S,
        id: id(name),
        at,
    }
}

fn pod_view(uid: &str, labels: Option<&str>) -> Arc<Pod> {
    Arc::new(Pod {
        name: "web".into(),
        namespace: "shop".into(),
        uid: uid.into(),
        labels_text: labels.map(Into::into),
        ..Pod::default()
    })
}

fn sandbox(name: &str, uid: &str, created: u64) -> Container {
    Container {
        kind: ContainerKind::Sandbox,
        sandbox: Some(id(name)),
        host_network: Some(true),
        host_pid: Some(false),
        pod: Some(pod_view(uid, Some("app:web"))),
        ..container(name, "pause", created)
    }
}

fn workload(name: &str, sandbox: &str, uid: &str, created: u64) -> Container {
    Container {
        sandbox: Some(id(sandbox)),
        pod: Some(pod_view(uid, None)),
        ..container(name, name, created)
    }
}

fn api_pod(uid: &str, labels: &str) -> Update {
    Update::Pod {
        key: uid.into(),
        pod: Box::new(Pod {
            owner: Some(Owner {
                kind: "Deployment".into(),
                name: "web".into(),
                uid: None,
            }),
            ..(*pod_view(uid, Some(labels))).clone()
        }),
    }
}

mod churn;
mod names;
mod pods;
mod questions;
mod sources;

#[test]
fn an_unknown_container_is_asked_for_once_and_then_known() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    assert_eq!(bed.look("a", 100), "?");
    assert_eq!(bed.look("a", 101), "?");
    assert_eq!(bed.asked(), ["a"]);
    let resolved = bed.apply(200, [seen(K8S, 1, container("a", "busybox", 50))]);
    assert_eq!(resolved, ["a"]);
    assert_eq!(bed.look("a", 100), "busybox");
}

#[test]
fn what_nobody_knows_is_unknown_and_asked_again_later_without_holding_events() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    assert_eq!(bed.look("a", 100), "?");
    assert_eq!(
        bed.apply(
            200,
            [Update::Missing {
                source: 0,
                id: id("a")
            }]
        ),
        ["a"]
    );
    assert_eq!(bed.look("a", 300), "-");
    assert_eq!(bed.asked(), ["a"]);
    assert_eq!(bed.look("a", 31 * SECOND), "-");
    assert_eq!(bed.asked(), ["a"]);
    bed.apply(31 * SECOND, [seen(K8S, 1, container("a", "busybox", 50))]);
    assert_eq!(bed.look("a", 31 * SECOND), "busybox");
}

#[test]
fn without_containerd_nothing_is_waited_for() {
    let mut bed = bed_with(0, CacheOptions::default());
    assert_eq!(bed.look("a", 100), "-");
    assert!(bed.metadata.is_empty());
}

#[test]
fn all_containerds_must_have_answered_before_a_container_is_unknown() {
    let mut bed = bed_with(3, CacheOptions::default());
    bed.apply(
        1,
        [
            Update::SourceUp { source: 0 },
            Update::SourceUp { source: 1 },
            down(2),
        ],
    );
    assert_eq!(bed.look("a", 100), "?");
    assert_eq!(bed.asked(), ["a", "a"]);
    assert!(
        bed.apply(
            200,
            [Update::Missing {
                source: 0,
                id: id("a")
            }]
        )
        .is_empty()
    );
    assert_eq!(bed.look("a", 100), "?");
    assert_eq!(
        bed.apply(
            300,
            [Update::Missing {
                source: 1,
                id: id("a")
            }]
        ),
        ["a"]
    );
}

#[test]
fn a_containerd_that_restarts_is_waited_for() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }, down(0)]);
    assert_eq!(bed.look("a", 100), "?");
    assert!(bed.apply(40 * SECOND, [down(0)]).is_empty());
    assert_eq!(bed.look("a", 100), "?");
}

#[test]
fn what_was_deleted_while_containerd_was_away_is_found_out_by_the_snapshot() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            seen(K8S, 1, container("a", "one", 100)),
            seen(K8S, 1, container("b", "two", 100)),
            Update::SnapshotDone {
                source: 0,
                epoch: 1,
            },
        ],
    );
    bed.apply(
        500,
        [
            seen(K8S, 2, container("b", "two", 100)),
            Update::SnapshotDone {
                source: 0,
                epoch: 2,
            },
        ],
    );
    assert_eq!(bed.look("a", 400), "one");
    assert_eq!(bed.look("a", 600), "?");
    assert_eq!(bed.look("b", 600), "two");
}

#[test]
fn late_events_of_a_deleted_container_and_pod_are_still_known() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            api_pod("u", "app:web"),
            seen(K8S, 1, sandbox("s", "u", 90)),
            seen(K8S, 1, workload("c", "s", "u", 100)),
            Update::PodGone { key: "u".into() },
            gone("c", 10 * SECOND),
            gone("s", 11 * SECOND),
        ],
    );
    bed.metadata.apply_updates(60 * SECOND);
    assert!(bed.known("c", 9 * SECOND).pod.unwrap().owner.is_some());
    bed.metadata.apply_updates(72 * SECOND);
    bed.metadata.apply_updates(74 * SECOND);
    assert_eq!(bed.metadata.len(), (0, 0));
}

#[test]
fn a_hundred_thousand_short_lived_containers_leave_memory_bounded() {
    let options = CacheOptions {
        containers: 1000,
        pods: 100,
        ..CacheOptions::default()
    };
    let mut bed = bed_with(1, options);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for n in 0..100_000u64 {
        let name = format!("{n:064x}");
        let origin = K8S;
        let uid = format!("u{n}");
        runtime.block_on(async {
            bed.updates
                .send(seen(origin, 1, sandbox(&name, &uid, n)))
                .await;
            bed.updates.send(api_pod(&uid, "a:b")).await;
            bed.updates
                .send(Update::Gone {
                    origin,
                    id: id(&name),
                    at: n + 1,
                })
                .await;
            bed.updates.send(Update::PodGone { key: uid.into() }).await;
        });
        bed.metadata.apply_updates(n);
        assert_eq!(bed.look(&name, n), "pause");
        let (containers, pods) = bed.metadata.len();
        assert!(containers <= 1000 && pods <= 1200, "{containers} {pods}");
    }
    bed.metadata.apply_updates(1_000_000 * SECOND);
    bed.metadata.apply_updates(1_000_002 * SECOND);
    assert_eq!(bed.metadata.len(), (0, 0));
}

#[test]
fn invented_ids_do_not_push_out_live_containers() {
    let options = CacheOptions {
        containers: 100,
        ..CacheOptions::default()
    };
    let mut bed = bed_with(1, options);
    bed.apply(
        1,
        [
            Update::SourceUp { source: 0 },
            seen(K8S, 1, container("real", "real", 1)),
        ],
    );
    for n in 0..10_000 {
        bed.look(&format!("x{n}"), 10 + n);
        bed.asked();
    }
    assert_eq!(bed.look("real", 20_000), "real");
    assert!(bed.metadata.len().0 <= 100);
}

#[test]
fn a_flood_of_containers_leaves_those_in_use_and_what_made_room_is_asked_for_again() {
    let options = CacheOptions {
        containers: 100,
        ..CacheOptions::default()
    };
    let mut bed = bed_with(1, options);
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    let apply = |bed: &mut Bed, name: &str| bed.apply(1, [seen(K8S, 1, container(name, name, 1))]);
    for n in 0..20 {
        apply(&mut bed, &format!("real{n}"));
    }
    for n in 0..1000 {
        apply(&mut bed, &format!("x{n}"));
        for used in 0..10 {
            let name = format!("real{used}");
            assert_eq!(bed.look(&name, 2), name, "after {n}");
        }
    }
    assert!(bed.asked().is_empty());
    assert!(bed.metadata.len().0 <= 100);
    assert_eq!(bed.look("real15", 2), "?");
    assert_eq!(bed.asked(), ["real15"]);
    assert_eq!(apply(&mut bed, "real15"), ["real15"]);
    assert_eq!(bed.look("real15", 2), "real15");
}
