//! Several sources: which description of a container counts, and whose answer is waited for.

use super::*;

/// An id that only one container on earth has.
const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A description of the container that says what its source is.
fn described(source: u8, detail: Detail) -> Update {
    let image = format!("{detail:?} of {source}");
    Update::Container {
        origin: Origin {
            source,
            namespace: 0,
        },
        detail,
        epoch: 0,
        created: 50,
        container: Box::new(container(HEX, &image, 50)),
    }
}

fn absent(source: u8) -> Update {
    Update::SourceDown {
        source,
        is_absent: true,
    }
}

fn missing(source: u8) -> Update {
    Update::Missing {
        source,
        id: id(HEX),
    }
}

/// Two runtimes and the API server (2).
fn bed_with_server() -> Bed {
    let mut bed = bed_with(2, CacheOptions::default());
    let (updates, inbox) = Updates::channel().unwrap();
    let (senders, questions) = (0..2).map(|_| mpsc::channel(4)).unzip();
    let counters = Arc::clone(&bed.counters);
    bed.metadata = Metadata::new(CacheOptions::default(), senders, true, inbox, counters);
    (bed.updates, bed.questions) = (updates, questions);
    bed
}

#[test]
fn the_description_with_most_detail_counts_whenever_it_comes() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut bed = bed_with_server();
        let up = (0..2).map(|source| Update::SourceUp { source });
        bed.apply(1, up);
        let all = [(0, Detail::Whole), (1, Detail::Nameless), (2, Detail::Pod)];
        bed.apply(10, order.map(|at| described(all[at].0, all[at].1)));
        assert_eq!(bed.look(HEX, 100), "Whole of 0", "{order:?}");
    }
}

#[test]
fn two_runtimes_that_both_know_a_container_are_not_ambiguous_and_the_first_one_counts() {
    let mut bed = bed_with(2, CacheOptions::default());
    bed.apply(10, [1, 0].map(|source| described(source, Detail::Whole)));
    assert_eq!(bed.look(HEX, 100), "Whole of 0");
}

#[test]
fn an_event_waits_for_a_better_description_until_nobody_has_one() {
    let mut bed = bed_with(2, CacheOptions::default());
    bed.apply(1, (0..2).map(|source| Update::SourceUp { source }));
    bed.apply(10, [described(1, Detail::Nameless)]);
    assert_eq!(bed.look(HEX, 100), "?");
    assert_eq!(bed.asked(), [HEX, HEX]);
    assert!(bed.apply(20, [described(1, Detail::Nameless)]).is_empty());
    assert_eq!(bed.look(HEX, 100), "?", "source 0 has not answered");
    assert_eq!(bed.apply(30, [missing(0)]), [HEX]);
    assert_eq!(bed.look(HEX, 100), "Nameless of 1");
    assert!(bed.asked().is_empty(), "nobody is asked again");
}

#[test]
fn a_container_that_ends_before_its_runtime_answers_has_what_the_event_of_its_creation_said() {
    let mut bed = bed();
    bed.apply(1, [Update::SourceUp { source: 0 }]);
    bed.apply(10, [described(0, Detail::Names)]);
    assert_eq!(bed.look(HEX, 100), "?");
    let best = bed.metadata.best(&id(HEX), 100).expect("the event's");
    assert_eq!(
        best.image.as_deref(),
        Some("Names of 0"),
        "if the time is up"
    );
    assert_eq!(bed.apply(20, [missing(0)]), [HEX]);
    assert_eq!(bed.look(HEX, 100), "Names of 0");
    bed.apply(
        30,
        [described(0, Detail::Whole), described(0, Detail::Names)],
    );
    assert_eq!(
        bed.look(HEX, 100),
        "Whole of 0",
        "an old event takes nothing away"
    );
}

#[test]
fn nobody_waits_for_runtimes_that_the_node_does_not_have() {
    let mut bed = bed_with(2, CacheOptions::default());
    assert_eq!(bed.look("early", 10), "?", "they have not been tried yet");
    assert_eq!(bed.apply(20, [absent(0), absent(1)]), ["early"]);
    assert_eq!(bed.look("late", 30), "-");
    bed.apply(40, [Update::SourceUp { source: 1 }]);
    assert_eq!(bed.look("late", 50), "?", "the runtime has started");
}

#[test]
fn a_runtime_whose_socket_comes_and_does_not_answer_yet_is_waited_for() {
    let mut bed = bed();
    bed.apply(1, [absent(0)]);
    assert_eq!(bed.look("a", 10), "-");
    bed.apply(20, [down(0)]);
    assert_eq!(bed.look("b", 30), "?");
}

#[test]
fn the_api_server_alone_announces_containers_and_is_waited_for_a_while() {
    let mut bed = bed_with_server();
    bed.apply(1, [absent(0), absent(1), Update::SourceUp { source: 2 }]);
    assert_eq!(bed.look(HEX, 10), "?");
    assert_eq!(bed.look("unknown", 10), "?");
    assert!(bed.asked().is_empty(), "it takes no questions");
    assert_eq!(bed.apply(SECOND, [described(2, Detail::Pod)]), [HEX]);
    assert_eq!(bed.look(HEX, 100), "Pod of 2");
    let resolved = bed.metadata.apply_updates(10 * SECOND);
    assert_eq!(resolved, [id("unknown")]);
    assert_eq!(bed.look("unknown", 10 * SECOND), "-");
}

#[test]
fn a_container_in_the_next_snapshot_lives_on_without_a_new_description() {
    let mut bed = bed();
    let list = |epoch, ids: &[&str]| {
        [
            Update::Listed {
                origin: K8S,
                epoch,
                ids: ids.iter().map(|name| id(name)).collect(),
            },
            Update::SnapshotDone { source: 0, epoch },
        ]
    };
    bed.apply(
        1,
        ["a", "b"].map(|name| seen(K8S, 1, container(name, name, 10))),
    );
    bed.apply(100, list(2, &["a"]));
    assert_eq!(bed.look("a", 200), "a");
    assert_eq!(bed.look("b", 50), "b", "when it lived");
    assert_eq!(bed.look("b", 200), "?");
}
