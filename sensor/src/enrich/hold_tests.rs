use super::*;

fn id(name: &str) -> ContainerId {
    ContainerId::new(name.as_bytes()).unwrap()
}

fn hold(events: usize, bytes: usize) -> Hold {
    let options = HoldOptions {
        time: Duration::from_nanos(100),
        events,
        bytes,
    };
    Hold::new(options, Arc::default())
}

fn popped(hold: &mut Hold) -> Vec<(String, String, HoldOutcome)> {
    std::iter::from_fn(|| hold.pop())
        .map(|r| {
            (
                r.id.full().to_owned(),
                String::from_utf8(r.record.to_vec()).unwrap(),
                r.outcome,
            )
        })
        .collect()
}

fn released(
    id: &str,
    records: &[&str],
    outcome: HoldOutcome,
) -> Vec<(String, String, HoldOutcome)> {
    records
        .iter()
        .map(|r| (id.to_owned(), (*r).to_owned(), outcome))
        .collect()
}

#[test]
fn events_of_a_container_are_released_in_order_when_it_is_known() {
    let mut hold = hold(10, 100);
    hold.push(id("a"), "1".into(), 0);
    hold.push(id("b"), "2".into(), 0);
    hold.push(id("a"), "3".into(), 5);
    assert!(hold.is_waiting(&id("a")));
    hold.resolve(&id("a"), 10);
    assert!(!hold.is_waiting(&id("a")));
    assert!(hold.is_waiting(&id("b")));
    assert_eq!(
        popped(&mut hold),
        released("a", &["1", "3"], HoldOutcome::Resolved)
    );
    assert_eq!(hold.waiting(), (1, 1));
}

#[test]
fn an_event_is_released_when_its_time_is_up_and_a_later_one_waits_on() {
    let mut hold = hold(10, 100);
    hold.push(id("a"), "1".into(), 0);
    hold.push(id("a"), "2".into(), 50);
    assert_eq!(hold.deadline(), Some(100));
    hold.expire(99);
    assert!(popped(&mut hold).is_empty());
    hold.expire(100);
    assert_eq!(
        popped(&mut hold),
        released("a", &["1"], HoldOutcome::Timeout)
    );
    assert_eq!(hold.deadline(), Some(150));
}

#[test]
fn too_many_events_release_the_oldest() {
    let mut hold = hold(2, 100);
    for (container, record) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")] {
        hold.push(id(container), record.into(), 0);
    }
    let mut expected = released("a", &["1"], HoldOutcome::Overflow);
    expected.extend(released("b", &["2"], HoldOutcome::Overflow));
    assert_eq!(popped(&mut hold), expected);
    assert_eq!(hold.waiting(), (2, 2));
}

#[test]
fn too_many_bytes_release_the_oldest_and_a_giant_releases_itself() {
    let mut hold = hold(10, 4);
    hold.push(id("a"), "123".into(), 0);
    hold.push(id("b"), "45".into(), 0);
    assert_eq!(
        popped(&mut hold),
        released("a", &["123"], HoldOutcome::Overflow)
    );
    hold.push(id("c"), "123456".into(), 0);
    let mut expected = released("b", &["45"], HoldOutcome::Overflow);
    expected.extend(released("c", &["123456"], HoldOutcome::Overflow));
    assert_eq!(popped(&mut hold), expected);
    assert!(hold.is_empty());
}

#[test]
fn each_outcome_is_counted() {
    let mut hold = hold(1, 100);
    hold.push(id("a"), "1".into(), 0);
    hold.push(id("a"), "2".into(), 0);
    hold.resolve(&id("a"), 1);
    hold.push(id("a"), "3".into(), 0);
    hold.expire(100);
    let count = |c: &std::sync::atomic::AtomicU64| c.load(Ordering::Relaxed);
    assert_eq!(count(&hold.counters.hold_overflow_total), 1);
    assert_eq!(count(&hold.counters.hold_resolved_total), 1);
    assert_eq!(count(&hold.counters.hold_timeout_total), 1);
}

#[test]
fn median_and_maximum_are_those_of_the_waits() {
    let mut hold = hold(1000, 100_000);
    for (n, wait) in (0..101).map(|n| (n, 1_000_000 * (n + 1))) {
        let container = id(&format!("c{n}"));
        hold.push(container, "x".into(), 0);
        hold.resolve(&container, wait);
    }
    let statistics = hold.statistics();
    assert_eq!(statistics.released, 101);
    assert_eq!(statistics.max, 101_000_000);
    assert!(
        statistics.median.abs_diff(51_000_000) < 51_000_000 / 14,
        "{statistics:?}"
    );
}

#[test]
fn waiting_for_one_container_does_not_let_the_released_of_others_pile_up() {
    let mut hold = hold(1000, 100_000);
    hold.push(id("slow"), "x".into(), 0);
    for n in 0..10_000 {
        let container = id(&format!("c{n}"));
        hold.push(container, "x".into(), 1);
        hold.resolve(&container, 1);
        hold.pop();
    }
    assert!(hold.order.len() < 200, "{}", hold.order.len());
    assert_eq!(hold.deadline(), Some(100));
}

proptest::proptest! {
    #[test]
    fn whatever_happens_each_event_comes_out_once_and_in_its_containers_order(
        steps in proptest::collection::vec((0u8..4, 0u8..6, 0usize..20), 0..300)
    ) {
        let mut hold = hold(12, 80);
        let mut now = 0;
        let mut pushed = 0u64;
        let mut out: Vec<(ContainerId, u64)> = Vec::new();
        for (step, container, len) in steps {
            now += 7;
            let container = id(&format!("c{container}"));
            match step {
                0 | 1 => {
                    let mut record = pushed.to_le_bytes().to_vec();
                    record.resize(8 + len, 0);
                    pushed += 1;
                    hold.push(container, record.into(), now);
                }
                2 => hold.resolve(&container, now),
                _ => hold.expire(now),
            }
            proptest::prop_assert!(hold.waiting().0 <= 12 && hold.waiting().1 <= 80);
            while let Some(r) = hold.pop() {
                out.push((r.id, u64::from_le_bytes(r.record[..8].try_into().unwrap())));
            }
        }
        hold.drain(now);
        while let Some(r) = hold.pop() {
            out.push((r.id, u64::from_le_bytes(r.record[..8].try_into().unwrap())));
        }
        proptest::prop_assert!(hold.is_empty());
        let mut numbers: Vec<u64> = out.iter().map(|(_, n)| *n).collect();
        numbers.sort_unstable();
        proptest::prop_assert_eq!(numbers, (0..pushed).collect::<Vec<_>>());
        for c in 0..6 {
            let c = id(&format!("c{c}"));
            let of: Vec<u64> = out.iter().filter(|(i, _)| *i == c).map(|(_, n)| *n).collect();
            proptest::prop_assert!(of.is_sorted());
        }
    }
}
