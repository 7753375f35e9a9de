//! Prometheus's text format.

use std::{collections::BTreeMap, fmt::Write};

use super::{Histogram, Metric};

/// Samples for a scraper, grouped by metric.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<&'static str, (&'static Metric, String)>,
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

    /// Adds a sample with its own label names.
    pub fn add_with(
        &mut self,
        metric: &'static Metric,
        labels: &[(&str, &str)],
        value: impl Into<Number>,
    ) {
        let out = self.family(metric);
        sample(out, metric.name, "", labels, value.into());
    }

    /// Adds a histogram without labels.
    pub fn histogram(&mut self, metric: &'static Metric, histogram: &Histogram) {
        let (buckets, sum) = histogram.read();
        let out = self.family(metric);
        let mut total = 0;
        for (bound, count) in buckets {
            total += count;
            let bound = bound.map_or_else(|| "+Inf".into(), |b| b.to_string());
            sample(out, metric.name, "_bucket", &[("le", &bound)], total.into());
        }
        sample(out, metric.name, "_sum", &[], sum.into());
        sample(out, metric.name, "_count", &[], total.into());
    }

    fn family(&mut self, metric: &'static Metric) -> &mut String {
        &mut self
            .families
            .entry(metric.name)
            .or_insert_with(|| (metric, String::new()))
            .1
    }

    /// The whole text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        for (name, (metric, samples)) in &self.families {
            let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}");
            let _ = writeln!(out, "# TYPE {name} {}", metric.kind.name());
            out += samples;
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

fn sample(out: &mut String, name: &str, suffix: &str, labels: &[(&str, &str)], value: Number) {
    out.push_str(name);
    out.push_str(suffix);
    for (i, (label, value)) in labels.iter().enumerate() {
        out.push(if i == 0 { '{' } else { ',' });
        out.extend(
            label
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }),
        );
        out.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    if !labels.is_empty() {
        out.push('}');
    }
    // Writing to a string cannot fail.
    let _ = match value {
        Number::Whole(n) => writeln!(out, " {n}"),
        Number::Float(n) => writeln!(out, " {n}"),
    };
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
