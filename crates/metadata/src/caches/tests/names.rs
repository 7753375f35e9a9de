//! Container ids that are used again, or by two namespaces at the same time.

use super::*;

#[test]
fn an_event_gets_the_container_that_had_its_id_at_that_time() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            seen(K8S, 1, container("redis", "first", 100)),
            gone("redis", 200),
            seen(K8S, 1, container("redis", "second", 300)),
        ],
    );
    assert_eq!(bed.look("redis", 150), "first");
    assert_eq!(bed.look("redis", 350), "second");
    assert_eq!(
        bed.look("redis", 250),
        "?",
        "between the two it was nobody's"
    );
    assert_eq!(bed.look("redis", 50), "?");
}

#[test]
fn a_late_answer_about_a_deleted_container_does_not_revive_it() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            seen(K8S, 1, container("redis", "first", 100)),
            gone("redis", 200),
            seen(K8S, 1, container("redis", "first", 100)),
        ],
    );
    assert_eq!(bed.look("redis", 250), "?");
}

#[test]
fn an_answer_about_the_former_owner_of_a_name_does_not_replace_the_present_one() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            seen(K8S, 1, container("redis", "second", 300)),
            seen(K8S, 1, container("redis", "first", 100)),
        ],
    );
    assert_eq!(bed.look("redis", 350), "second");
    assert_eq!(bed.look("redis", 150), "first");
}

#[test]
fn a_name_that_two_namespaces_use_at_a_time_is_given_to_nobody() {
    let mut bed = bed();
    bed.apply(
        1,
        [
            seen(K8S, 1, container("redis", "ours", 100)),
            seen(MOBY, 1, container("redis", "theirs", 200)),
        ],
    );
    assert_eq!(bed.look("redis", 150), "ours");
    assert_eq!(bed.look("redis", 250), "-");
    assert_eq!(
        bed.counters
            .containers_ambiguous_total
            .load(Ordering::Relaxed),
        1
    );
    bed.apply(
        1,
        [Update::Gone {
            origin: MOBY,
            id: id("redis"),
            at: 300,
        }],
    );
    assert_eq!(bed.look("redis", 350), "ours");
}

#[test]
fn labels_with_long_values_are_left_out() {
    let options = CacheOptions {
        label_max_len: 3,
        ..CacheOptions::default()
    };
    let mut bed = bed_with(1, options);
    let labels = [("a", "123"), ("b", "1234"), ("c", "")];
    let labelled = Container {
        labels: labels.map(|(key, value)| (key.into(), value.into())).into(),
        ..container("a", "one", 10)
    };
    bed.apply(20, [seen(K8S, 1, labelled)]);
    let keys = bed.known("a", 30).labels.into_iter().map(|(key, _)| key);
    assert_eq!(keys.collect::<Vec<_>>(), ["a".into(), "c".into()]);
}
