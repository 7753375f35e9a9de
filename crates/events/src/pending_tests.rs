use super::*;

/// Subjects.
const A: u32 = 1;
const B: u32 = 2;
const C: u32 = 3;

fn pending<T>(events: usize, bytes: usize) -> PendingEvents<u32, T> {
    let options = PendingOptions {
        time: Duration::from_nanos(100),
        events,
        bytes,
    };
    PendingEvents::new(options, Arc::default())
}

/// Adds a text as an event.
fn push(pending: &mut PendingEvents<u32, &'static str>, key: u32, text: &'static str, now: u64) {
    pending.push(key, text, text.len(), now);
}

fn popped(pending: &mut PendingEvents<u32, &'static str>) -> Vec<(u32, &'static str, Release)> {
    std::iter::from_fn(|| pending.pop())
        .map(|released| (released.key, released.event, released.outcome))
        .collect()
}

fn released(
    key: u32,
    events: &[&'static str],
    outcome: Release,
) -> Vec<(u32, &'static str, Release)> {
    events.iter().map(|event| (key, *event, outcome)).collect()
}

#[test]
fn events_of_a_subject_are_released_in_order_when_it_is_known() {
    let mut pending = pending(10, 100);
    push(&mut pending, A, "1", 0);
    push(&mut pending, B, "2", 0);
    push(&mut pending, A, "3", 5);
    assert!(pending.is_waiting(&A));
    pending.resolve(&A, 10);
    assert!(!pending.is_waiting(&A));
    assert!(pending.is_waiting(&B));
    assert_eq!(
        popped(&mut pending),
        released(A, &["1", "3"], Release::Resolved)
    );
    assert_eq!(pending.waiting(), (1, 1));
}

#[test]
fn an_event_is_released_when_its_time_is_up_and_a_later_one_waits_on() {
    let mut pending = pending(10, 100);
    push(&mut pending, A, "1", 0);
    push(&mut pending, A, "2", 50);
    assert_eq!(pending.deadline(), Some(100));
    pending.expire(99);
    assert!(popped(&mut pending).is_empty());
    pending.expire(100);
    assert_eq!(popped(&mut pending), released(A, &["1"], Release::Timeout));
    assert_eq!(pending.deadline(), Some(150));
}

#[test]
fn too_many_events_release_the_oldest() {
    let mut pending = pending(2, 100);
    for (key, event) in [(A, "1"), (B, "2"), (A, "3"), (A, "4")] {
        push(&mut pending, key, event, 0);
    }
    let mut expected = released(A, &["1"], Release::Overflow);
    expected.extend(released(B, &["2"], Release::Overflow));
    assert_eq!(popped(&mut pending), expected);
    assert_eq!(pending.waiting(), (2, 2));
}

#[test]
fn too_many_bytes_release_the_oldest_and_a_giant_releases_itself() {
    let mut pending = pending(10, 4);
    push(&mut pending, A, "123", 0);
    push(&mut pending, B, "45", 0);
    assert_eq!(
        popped(&mut pending),
        released(A, &["123"], Release::Overflow)
    );
    push(&mut pending, C, "123456", 0);
    let mut expected = released(B, &["45"], Release::Overflow);
    expected.extend(released(C, &["123456"], Release::Overflow));
    assert_eq!(popped(&mut pending), expected);
    assert!(pending.is_empty());
}

#[test]
fn each_outcome_is_counted() {
    let mut pending = pending(1, 100);
    push(&mut pending, A, "1", 0);
    push(&mut pending, A, "2", 0);
    pending.resolve(&A, 1);
    push(&mut pending, A, "3", 0);
    pending.expire(100);
    let counts: Vec<_> = pending.counts.each().collect();
    assert_eq!(counts, [("resolved", 1), ("timeout", 1), ("overflow", 1)]);
}

#[test]
fn median_and_maximum_are_those_of_the_waits() {
    let mut pending = pending(1000, 100_000);
    for (key, wait) in (0..101u32).map(|n| (n, 1_000_000 * u64::from(n + 1))) {
        push(&mut pending, key, "x", 0);
        pending.resolve(&key, wait);
    }
    let statistics = pending.statistics();
    assert_eq!(statistics.released, 101);
    assert_eq!(statistics.max, 101_000_000);
    assert!(
        statistics.median.abs_diff(51_000_000) < 51_000_000 / 14,
        "{statistics:?}"
    );
}

#[test]
fn waiting_for_one_subject_does_not_let_the_released_of_others_pile_up() {
    let mut pending = pending(1000, 100_000);
    push(&mut pending, A, "x", 0);
    for key in 10..10_010 {
        push(&mut pending, key, "x", 1);
        pending.resolve(&key, 1);
        pending.pop();
    }
    assert!(pending.order.len() < 200, "{}", pending.order.len());
    assert_eq!(pending.deadline(), Some(100));
}

proptest::proptest! {
    #[test]
    fn whatever_happens_each_event_comes_out_once_and_in_its_subjects_order(
        steps in proptest::collection::vec((0u8..4, 0u32..6, 0usize..20), 0..300)
    ) {
        let mut pending = pending(12, 80);
        let mut now = 0;
        let mut pushed = 0u64;
        let mut out: Vec<(u32, u64)> = Vec::new();
        for (step, key, bytes) in steps {
            now += 7;
            match step {
                0 | 1 => {
                    pending.push(key, pushed, 8 + bytes, now);
                    pushed += 1;
                }
                2 => pending.resolve(&key, now),
                _ => pending.expire(now),
            }
            proptest::prop_assert!(pending.waiting().0 <= 12 && pending.waiting().1 <= 80);
            out.extend(std::iter::from_fn(|| pending.pop()).map(|r| (r.key, r.event)));
        }
        pending.drain(now);
        out.extend(std::iter::from_fn(|| pending.pop()).map(|r| (r.key, r.event)));
        proptest::prop_assert!(pending.is_empty());
        let mut numbers: Vec<u64> = out.iter().map(|(_, n)| *n).collect();
        numbers.sort_unstable();
        proptest::prop_assert_eq!(numbers, (0..pushed).collect::<Vec<_>>());
        for key in 0..6 {
            let of: Vec<u64> = out.iter().filter(|(k, _)| *k == key).map(|(_, n)| *n).collect();
            proptest::prop_assert!(of.is_sorted());
        }
    }
}
