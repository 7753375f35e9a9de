//! Checks that the alert rules and the dashboard in `deploy/monitoring` name only existing metrics
//! and labels.

use yaml::{Limits, Source, parse};

use super::catalog::ALL;

const ALERTS: &str = include_str!("../../../deploy/monitoring/alerts.yaml");
const DASHBOARD: &str = include_str!("../../../deploy/monitoring/dashboard.json");

/// Checks that the catalog has every metric of the sensor in an expression.
fn check(expression: &str) {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let mut metrics = Vec::new();
    for word in words.filter(|word| word.starts_with("sensor_")) {
        let metric = ALL.iter().find(|metric| {
            word.strip_prefix(metric.name)
                .is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
        });
        metrics.push(metric.unwrap_or_else(|| panic!("{word} in {expression}")));
    }
    assert!(!metrics.is_empty(), "{expression}");
    for (_, rest) in expression
        .match_indices("by (")
        .map(|(i, m)| (i, &expression[i + m.len()..]))
    {
        for label in rest.split(')').next().unwrap_or_default().split(", ") {
            let known = metrics.iter().any(|metric| metric.labels.contains(&label));
            assert!(
                known || matches!(label, "instance" | "le"),
                "{label} in {expression}"
            );
        }
    }
}

#[test]
fn alert_rules_name_metrics_that_there_are() {
    let parsed = parse(&Source::new("alerts.yaml", ALERTS), &Limits::default()).unwrap();
    let group = &parsed.documents[0]
        .get("groups")
        .unwrap()
        .as_sequence()
        .unwrap()[0];
    let rules = group.get("rules").unwrap().as_sequence().unwrap();
    assert!(rules.len() > 5);
    for rule in rules {
        check(rule.get("expr").unwrap().as_str().unwrap());
    }
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            check(target["expr"].as_str().unwrap());
        }
    }
}
