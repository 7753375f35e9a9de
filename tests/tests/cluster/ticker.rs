//! A pod that executes numbered programs, so that a missing or doubled line shows.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::cluster::until;

use crate::shared::Shared;

/// Executions of a program that are expected before and after what is tested.
const SOME: u64 = 20;

/// A running pod that executes `true tick NUMBER`, one number after the other.
pub(crate) struct Ticker<'a> {
    shared: &'a Shared,
    name: &'static str,
}

/// What the sensor wrote about a ticker.
pub(crate) struct Ticks {
    /// The numbers, in the order of the file; none for a start record of the sensor.
    pub(crate) numbers: Vec<Option<u64>>,
}

impl<'a> Ticker<'a> {
    /// Starts the pod, and waits until some of its lines are written.
    pub(crate) fn start(shared: &'a Shared, name: &'static str) -> Result<Self> {
        // On its node at once: after an outage of the API server the scheduler may wait for a minute.
        shared.cluster.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels: {{app: {name}}}\n\
             spec:\n  nodeName: node1\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 1\n  containers:\n\
             \x20   - name: main\n      image: docker.io/testbed/tools:1\n      command: [sh, -c]\n\
             \x20     args: ['i=0; while :; do i=$((i+1)); /bin/true tick $i; sleep 0.02; done']\n"
        ))?;
        let ticker = Self { shared, name };
        ticker.some_more()?;
        Ok(ticker)
    }

    /// The last number that is written; 0 if none is.
    fn last(&self) -> Result<u64> {
        let ticks = self.written()?;
        Ok(ticks.numbers.into_iter().flatten().max().unwrap_or(0))
    }

    /// Waits until some numbers more are written.
    pub(crate) fn some_more(&self) -> Result<()> {
        let now = self.last()?;
        until("the ticker's lines", || {
            thread::sleep(Duration::from_millis(200));
            Ok((self.last()? >= now + SOME).then_some(()))
        })
    }

    /// Ends the pod; returns what the sensor wrote about it.
    pub(crate) fn end(self) -> Result<Ticks> {
        self.some_more()?;
        let pod = [
            "delete",
            "pod",
            self.name,
            "--wait=false",
            "--grace-period=1",
        ];
        self.shared.cluster.kubectl(&pod)?;
        self.written()
    }

    /// What the sensor has written so far. Each line must name the pod.
    pub(crate) fn written(&self) -> Result<Ticks> {
        let mut numbers = Vec::new();
        for line in self.shared.lines("")? {
            if line["rule"] == "Sensor internal: start" {
                numbers.push(None);
            }
            let fields = &line["output_fields"];
            let command = fields["proc.cmdline"].as_str().unwrap_or_default();
            // Each ticker has a name of its own; the lines of former ones are in the file too.
            if let Some(number) = command.strip_prefix("true tick ")
                && fields["k8s.pod.name"] == self.name
            {
                self.has_its_pod(fields).with_context(|| line.to_string())?;
                numbers.push(Some(number.parse()?));
            }
        }
        Ok(Ticks { numbers })
    }

    fn has_its_pod(&self, fields: &Value) -> Result<()> {
        for (field, value) in [
            ("k8s.ns.name", "default"),
            ("k8s.pod.labels", &format!("app:{}", self.name)),
            ("container.name", "main"),
            ("container.image.repository", "docker.io/testbed/tools"),
            ("container.image.tag", "1"),
        ] {
            ensure!(
                fields[field] == value,
                "{field} is {}, not {value}",
                fields[field]
            );
        }
        Ok(())
    }
}

impl Ticks {
    /// Checks that each number up to the last one is written, once.
    pub(crate) fn nothing_is_missing(&self) -> Result<()> {
        let missing = self.missing()?;
        ensure!(missing.is_empty(), "not written: {missing:?}");
        Ok(())
    }

    /// Checks that numbers are missing only where the sensor tells of a start, and none is doubled.
    pub(crate) fn missing_only_at_starts(&self) -> Result<()> {
        for (after, before) in self.missing()? {
            let at = |number| self.numbers.iter().position(|found| *found == Some(number));
            let (from, to) = (at(after).unwrap_or(0), at(before).unwrap_or(0));
            ensure!(
                self.numbers[from..to].contains(&None),
                "not written between {after} and {before}, where no sensor has started"
            );
        }
        Ok(())
    }

    /// Pairs of written numbers between which others are missing.
    fn missing(&self) -> Result<Vec<(u64, u64)>> {
        let mut sorted: Vec<u64> = self.numbers.iter().flatten().copied().collect();
        sorted.sort_unstable();
        ensure!(
            sorted.first() == Some(&1),
            "the first execution is not written: {:?}",
            sorted.first()
        );
        let pairs = sorted.windows(2).map(|pair| (pair[0], pair[1]));
        let doubled: Vec<u64> = pairs
            .clone()
            .filter(|(a, b)| a == b)
            .map(|(a, _)| a)
            .collect();
        ensure!(doubled.is_empty(), "written twice: {doubled:?}");
        Ok(pairs.filter(|(a, b)| a + 1 < *b).collect())
    }
}

#[test]
fn a_number_that_is_missing_where_no_sensor_started_is_found() {
    let ticks = |numbers: &[u64]| Ticks {
        // 0 is a start.
        numbers: numbers.iter().map(|n| (*n > 0).then_some(*n)).collect(),
    };
    assert!(ticks(&[1, 2, 3]).nothing_is_missing().is_ok());
    assert!(ticks(&[1, 3]).nothing_is_missing().is_err());
    assert!(ticks(&[2, 3]).nothing_is_missing().is_err());
    assert!(ticks(&[1, 2, 0, 2, 3]).missing_only_at_starts().is_err());
    assert!(ticks(&[1, 2, 0, 5, 6]).missing_only_at_starts().is_ok());
    assert!(ticks(&[1, 2, 5, 0, 6]).missing_only_at_starts().is_err());
}
