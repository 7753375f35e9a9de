//! Prometheus's text format.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write,
};

use super::{Histogram, Metric};

/// Samples for a scraper, grouped by metric. Whatever the labels are, the text is one that
/// Prometheus takes: a scraper refuses a whole page for one wrong name, for a label that a sample
/// has twice, and for a sample that the page has twice.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<&'static str, Family>,
}

/// The samples of a metric.
#[derive(Debug)]
struct Family {
    metric: &'static Metric,
    text: String,
    /// The names and labels of the samples so far.
    samples: HashSet<String>,
}

impl Exposition {
    /// Adds a sample; `labels` are values, in the order of the metric's label names.
    pub fn add(&mut self, metric: &'static Metric, labels: &[&str], value: impl Into<Number>) {
        debug_assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        let pairs: Vec<(&str, &str)> = metric
            .labels
            .iter()
            .copied()
            .zip(labels.iter().copied())
            .collect();
        self.add_with(metric, &pairs, value);
    }

    /// Adds a sample with its own label names. Of names that are equal in Prometheus's characters
    /// (`cis-5.2`, `cis_5_2`) the first counts, and so does the first of equal samples.
    pub fn add_with(
        &mut self,
        metric: &'static Metric,
        labels: &[(&str, &str)],
        value: impl Into<Number>,
    ) {
        self.family(metric).sample("", labels, value.into());
    }

    /// Adds a histogram without labels.
    pub fn histogram(&mut self, metric: &'static Metric, histogram: &Histogram) {
        let (buckets, sum) = histogram.read();
        let family = self.family(metric);
        let mut total = 0;
        for (bound, count) in buckets {
            total += count;
            let bound = bound.map_or_else(|| "+Inf".into(), |b| b.to_string());
            family.sample("_bucket", &[("le", &bound)], total.into());
        }
        family.sample("_sum", &[], sum.into());
        family.sample("_count", &[], total.into());
    }

    fn family(&mut self, metric: &'static Metric) -> &mut Family {
        self.families.entry(metric.name).or_insert_with(|| Family {
            metric,
            text: String::new(),
            samples: HashSet::new(),
        })
    }

    /// The whole text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        for (name, family) in &self.families {
            let Family { metric, text, .. } = family;
            let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}");
            let _ = writeln!(out, "# TYPE {name} {}", metric.kind.name());
            out += text;
        }
        out
    }
}

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Float(f64),
}

impl From<u64> for Number {
    fn from(n: u64) -> Self {
        Self::Whole(n)
    }
}

impl From<bool> for Number {
    fn from(b: bool) -> Self {
        Self::Whole(b.into())
    }
}

impl From<f64> for Number {
    fn from(n: f64) -> Self {
        Self::Float(n)
    }
}

impl Family {
    /// Adds a sample, unless the family has one with these labels.
    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: Number) {
        let mut named: Vec<(String, &str)> = Vec::new();
        for (label, value) in labels {
            let label = label_name(label);
            if named.iter().all(|(known, _)| *known != label) {
                named.push((label, value));
            }
        }
        let mut head = format!("{}{suffix}", self.metric.name);
        for (i, (label, value)) in named.iter().enumerate() {
            head.push(if i == 0 { '{' } else { ',' });
            head.push_str(label);
            head.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => head.push_str("\\\\"),
                    '"' => head.push_str("\\\""),
                    '\n' => head.push_str("\\n"),
                    // Prometheus takes NUL for the end of the page.
                    '\0' => head.push(char::REPLACEMENT_CHARACTER),
                    c => head.push(c),
                }
            }
            head.push('"');
        }
        if !named.is_empty() {
            head.push('}');
        }
        if self.samples.contains(&head) {
            return;
        }
        // Writing to a string cannot fail.
        let _ = match value {
            Number::Whole(n) => writeln!(self.text, "{head} {n}"),
            Number::Float(n) if n.is_infinite() => {
                writeln!(self.text, "{head} {}Inf", if n > 0.0 { '+' } else { '-' })
            }
            Number::Float(n) => writeln!(self.text, "{head} {n}"),
        };
        self.samples.insert(head);
    }
}

/// A text as the name of a label: only characters that Prometheus allows
/// (`[a-zA-Z_][a-zA-Z0-9_]*`), and no name that Prometheus reserves for itself (`__…`).
fn label_name(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = text.chars().map(allowed).collect();
    if name.starts_with("__") || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return format!("label_{}", name.trim_start_matches('_'));
    }
    name
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::catalog;

    #[test]
    fn samples_stand_below_their_help_and_type() {
        let mut exposition = Exposition::default();
        exposition.add(&catalog::EVENTS_SEEN, &["exec"], 3);
        exposition.add(&catalog::EVENTS_SEEN, &["connect"], 4);
        let text = exposition.render();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("# HELP sensor_events_seen_total Events that"));
        assert_eq!(lines[1], "# TYPE sensor_events_seen_total counter");
        assert_eq!(lines[2], "sensor_events_seen_total{kind=\"exec\"} 3");
        assert_eq!(lines[3], "sensor_events_seen_total{kind=\"connect\"} 4");
    }

    #[test]
    fn values_of_labels_are_escaped() {
        let mut exposition = Exposition::default();
        exposition.add_with(&catalog::FALCO_RULES, &[("tag_a-b", "x\"y\\z\n")], 1);
        assert!(
            exposition.render().ends_with(
                "falcosecurity_falco_rules_matches_total{tag_a_b=\"x\\\"y\\\\z\\n\"} 1\n"
            )
        );
    }

    #[test]
    fn the_buckets_of_a_histogram_add_up() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(50));
        histogram.record(Duration::from_millis(2));
        histogram.record(Duration::from_secs(100));
        let mut exposition = Exposition::default();
        exposition.histogram(&catalog::EVENT_DELAY, &histogram);
        let text = exposition.render();
        assert!(text.contains("_bucket{le=\"0.0001\"} 1\n"), "{text}");
        assert!(text.contains("_bucket{le=\"0.0025\"} 2\n"), "{text}");
        assert!(text.contains("_bucket{le=\"+Inf\"} 3\n"), "{text}");
        assert!(
            text.contains("sensor_event_delay_seconds_count 3\n"),
            "{text}"
        );
    }
}
