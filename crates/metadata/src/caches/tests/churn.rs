//! Containers that come and go leave nothing in the caches.

use super::*;
use crate::clock::MILLISECOND;

/// Short-lived containers, one after another.
const CONTAINERS: u64 = 100_000;
/// After this number of containers, the sizes of the caches must not change any more.
const FEW: u64 = CONTAINERS / 5;
/// Time between two containers: shorter than on any real node.
const PACE: u64 = 10 * MILLISECOND;

/// Whether the caches learn of deletions.
#[derive(Clone, Copy, PartialEq)]
enum Deletions {
    Heard,
    Missed,
}

/// The size of a cache, in entries and in entries for which it has memory.
fn size(bed: &Bed) -> [usize; 4] {
    let metadata = &bed.metadata;
    let (containers, pods) = metadata.len();
    let given = metadata.given.capacity() + metadata.resolved.capacity();
    [
        containers,
        metadata.entries.room(),
        pods,
        given + metadata.sources.unsent(),
    ]
}

/// The life of a pod with a sandbox and one container, with an event of each.
fn pod(bed: &mut Bed, runtime: &tokio::runtime::Runtime, n: u64, deletions: Deletions) {
    let now = n * PACE;
    let (uid, box_name, name) = (format!("u{n}"), format!("s{n}"), format!("c{n}"));
    let mut apply = |now: u64, update: Update| {
        runtime.block_on(bed.updates.send(update));
        let _ = bed.metadata.apply_updates(now);
    };
    apply(now, seen(K8S, 1, sandbox(&box_name, &uid, now)));
    let view = pod_view(&uid, Some("app:web"));
    let api = Update::Pod {
        key: (&*uid).into(),
        pod: Box::new((*view).clone()),
    };
    apply(now, api);
    let container = Container {
        sandbox: Some(id(&box_name)),
        pod: Some(pod_view(&uid, None)),
        ..container(&name, "main", now)
    };
    apply(now, seen(K8S, 1, container));
    let [in_sandbox, in_container] = [&box_name, &name].map(|name| bed.look(name, now));
    assert_eq!([&*in_sandbox, &*in_container], ["pause", "main"]);
    if deletions == Deletions::Missed {
        return;
    }
    for name in [&name, &box_name] {
        let gone = Update::Gone {
            origin: K8S,
            id: id(name),
            at: now + 1,
        };
        runtime.block_on(bed.updates.send(gone));
    }
    let gone = Update::PodGone { key: uid.into() };
    runtime.block_on(bed.updates.send(gone));
    let _ = bed.metadata.apply_updates(now + 1);
}

/// Sizes after a fifth of the containers, after all of them, and long after the last one.
fn churn(deletions: Deletions) -> [[usize; 4]; 3] {
    let mut bed = bed();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    bed.apply(0, [Update::SourceUp { source: 0 }]);
    let mut sizes = [[0; 4]; 3];
    for n in 1..=CONTAINERS {
        pod(&mut bed, &runtime, n, deletions);
        match n {
            FEW => sizes[0] = size(&bed),
            CONTAINERS => sizes[1] = size(&bed),
            _ => {}
        }
        // A task asks containerd at once.
        bed.asked();
    }
    let end = CONTAINERS * PACE + 600 * SECOND;
    let _ = bed.metadata.apply_updates(end);
    sizes[2] = size(&bed);
    sizes
}

#[test]
fn a_hundred_thousand_short_lived_pods_leave_the_caches_as_they_were() {
    let [early, late, after] = churn(Deletions::Heard);
    // The caches keep the containers that were deleted in the last minute, however long the test
    // runs.
    let kept = usize::try_from(62 * SECOND / PACE).unwrap();
    for [containers, room, pods, _] in [early, late] {
        assert!(containers <= 2 * kept && pods <= kept, "{early:?} {late:?}");
        assert!(room <= 4 * containers, "{early:?} {late:?}");
    }
    assert_eq!(early[3], late[3], "what waits: {early:?} {late:?}");
    let [containers, room, pods, _] = after;
    assert_eq!((containers, pods), (0, 0));
    assert!(room <= 256, "room for {room} containers is left");
}

#[test]
fn a_hundred_thousand_pods_whose_deletion_is_missed_stay_within_the_limits() {
    let limits = CacheOptions::default();
    for [containers, room, pods, _] in &churn(Deletions::Missed)[..2] {
        assert!(*containers <= limits.containers, "{containers}");
        assert!(*pods <= limits.pods, "{pods}");
        assert!(*room <= 4 * limits.containers, "{room}");
    }
}
