//! Questions for which the queue to a containerd has no room.

use super::*;

#[test]
fn a_full_queue_to_containerd_is_tried_again() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    for n in 0..6 {
        assert_eq!(bed.look(&format!("c{n}"), 10), "?");
    }
    assert_eq!(bed.asked().len(), 4);
    bed.metadata.apply_updates(20);
    assert_eq!(bed.asked(), ["c4", "c5"]);
}

/// The questions that a containerd gets from now on.
fn drain(bed: &mut Bed, now: u64) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let asked = bed.asked();
        if asked.is_empty() {
            return all;
        }
        all.extend(asked);
        bed.metadata.apply_updates(now);
    }
}

#[test]
fn questions_that_no_containerd_takes_are_forgotten_with_those_who_asked() {
    let mut bed = bed();
    let mut now = SECOND;
    for n in 0..10_000 {
        bed.look(&format!("x{n}"), now);
        now += 61 * SECOND;
        bed.metadata.apply_updates(now);
        assert!(bed.metadata.sources.unsent() <= 1, "{n}");
    }
    assert_eq!(bed.look("late", now), "?");
    bed.apply(now, [Update::SourceUp { source: 0 }]);
    // Four questions were in the queue; of the others only this one still waits.
    assert_eq!(drain(&mut bed, now)[4..], ["late"]);
}

#[test]
fn as_many_questions_wait_for_a_containerd_as_there_are_containers_at_most() {
    let options = CacheOptions {
        containers: 1000,
        ..CacheOptions::default()
    };
    let mut bed = bed_with(2, options);
    let mut now = SECOND;
    for n in 0..10_000 {
        bed.look(&format!("x{n}"), now);
        now += 1000;
        bed.metadata.apply_updates(now);
        assert!(bed.metadata.sources.unsent() <= 1000, "{n}");
    }
    bed.apply(now, [Update::SourceUp { source: 0 }]);
    let asked = drain(&mut bed, now);
    let entries = bed.metadata.len().0;
    assert_eq!(asked.len(), 2 * (4 + entries), "four were in each queue");
    for n in 10_000 - entries..10_000 {
        let name = format!("x{n}");
        assert_eq!(asked.iter().filter(|id| **id == name).count(), 2, "{name}");
    }
}

#[test]
fn a_question_that_waits_already_is_not_kept_twice() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    for n in 0..5 {
        bed.look(&format!("c{n}"), 10);
    }
    // The container was reported, deleted and asked for again, all before the queue had room.
    let again = seen(K8S, 1, container("c4", "image", 5));
    bed.apply(20, [again, gone("c4", 30)]);
    assert_eq!(bed.look("c4", 40), "?");
    assert_eq!(drain(&mut bed, 50), ["c0", "c1", "c2", "c3", "c4"]);
}

#[test]
fn an_unknown_container_is_remembered_until_the_cache_may_ask_again() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    assert_eq!(bed.look("a", 100), "?");
    assert_eq!(bed.asked(), ["a"]);
    let missing = Update::Missing {
        source: 0,
        id: id("a"),
    };
    bed.apply(200, [missing]);
    bed.metadata.apply_updates(20 * SECOND);
    assert_eq!(bed.look("a", 20 * SECOND), "-");
    assert!(bed.asked().is_empty());
}
