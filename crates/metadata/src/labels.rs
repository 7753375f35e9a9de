//! Labels, sorted and bounded, and Falco's text of them.

use super::{
    counters::{Counters, add},
    text::clean,
};

/// Most labels (or annotations) of one object that are kept.
const LABELS_MAX: usize = 256;
/// Most bytes of a key that are kept; Kubernetes allows 253 + 1 + 63.
const KEY_MAX: usize = 320;
/// Most bytes of a value that are kept; Kubernetes allows 63 in a label.
const VALUE_MAX: usize = 1024;
/// Falco's `label_max_len`: labels with longer values are left out of the text.
const TEXT_VALUE_MAX: usize = 100;

/// Labels as the caches keep them: sorted by key, printable, bounded.
pub(super) type Labels = Box<[(Box<str>, Box<str>)]>;

/// Takes labels from a runtime or the API server.
pub(super) fn labels<'a>(
    from: impl Iterator<Item = (&'a str, &'a str)>,
    counters: &Counters,
) -> Labels {
    let mut all: Vec<(&str, &str)> = from.collect();
    all.sort_unstable();
    add(
        &counters.metadata_trimmed_total,
        all.len().saturating_sub(LABELS_MAX),
    );
    all.truncate(LABELS_MAX);
    all.iter()
        .map(|(key, value)| (clean(key, KEY_MAX), clean(value, VALUE_MAX)))
        .collect()
}

/// Falco's `k8s.pod.labels`: `key:value` joined by `, `; a label with an empty value is its key
/// alone. Labels of Kubernetes itself and long labels are left out.
pub(super) fn labels_text(labels: &[(Box<str>, Box<str>)]) -> Box<str> {
    let mut text = String::new();
    for (key, value) in labels {
        if key.starts_with("io.kubernetes.")
            || key.starts_with("annotation.")
            || value.len() > TEXT_VALUE_MAX
        {
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(key);
        if !value.is_empty() {
            text.push(':');
            text.push_str(value);
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pairs: &[(&str, &str)]) -> Box<str> {
        labels_text(&labels(pairs.iter().copied(), &Counters::default()))
    }

    #[test]
    fn labels_are_sorted_and_an_empty_value_leaves_its_key() {
        assert_eq!(
            &*text(&[("tier", "back end"), ("empty", ""), ("app", "demo")]),
            "app:demo, empty, tier:back end"
        );
    }

    #[test]
    fn labels_of_kubernetes_and_long_ones_are_left_out_of_the_text() {
        let long = "x".repeat(101);
        assert_eq!(
            &*text(&[
                ("io.kubernetes.pod.name", "p"),
                ("annotation.a", "b"),
                ("long", &long),
                ("z", "1"),
            ]),
            "z:1"
        );
    }

    #[test]
    fn quotes_stay_and_newlines_are_replaced() {
        assert_eq!(
            &*text(&[("a", "x\"y\nz"), ("b", "'")]),
            "a:x\"y\u{fffd}z, b:'"
        );
    }

    #[test]
    fn a_hundred_labels_are_kept_and_a_thousand_are_bounded() {
        let counters = Counters::default();
        let make = |n: usize| {
            let pairs: Vec<_> = (0..n)
                .map(|i| (format!("k{i:04}"), format!("v{i}")))
                .collect();
            labels(pairs.iter().map(|(k, v)| (&**k, &**v)), &counters).len()
        };
        assert_eq!(make(100), 100);
        assert_eq!(make(1000), 256);
        assert_eq!(
            counters
                .metadata_trimmed_total
                .load(std::sync::atomic::Ordering::Relaxed),
            744
        );
    }
}
