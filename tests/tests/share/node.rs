//! The sensor of one node.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tests::{Scene, Sensor, Setup, figures::anonymous_memory, sensor::wait_for};

use super::ticks::PROGRAM;

const RULES: &str = "\
- rule: Tick
  desc: d
  condition: evt.type = execve and proc.name = PROGRAM
  output: '%proc.args'
  priority: INFO
";

/// A node, with a local folder for what its sensor keeps.
pub(crate) struct Node {
    name: &'static str,
    scene: Scene,
    sensor: Option<Sensor>,
}

impl Node {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            scene: Scene::new(),
            sensor: None,
        }
    }

    /// The name of its log file.
    pub(crate) fn log(&self) -> String {
        format!("falco-{}.log", self.name)
    }

    /// Starts the sensor, as a restarted pod would: with the same files.
    pub(crate) fn start(&mut self, logs: &Path) {
        let scene = &self.scene;
        let sensor = Setup::of_the_machine()
            .with_web_server()
            .option("sensor.instance", scene.text("instance"))
            .option("sensor.state_dir", scene.text("state"))
            .option("sensor.node", self.name)
            .option("sensor.file_output.spool.directory", scene.text("spool"))
            .option("sensor.file_output.spool.memory", "256KiB")
            .option("sensor.file_output.rotate.size", "512KiB")
            .option("sensor.file_output.rotate.keep", 0)
            .log_at(logs.join("falco-{node}.log"))
            .rules(&RULES.replace("PROGRAM", PROGRAM))
            .at_most(Duration::from_hours(1))
            .start();
        self.sensor = Some(sensor);
    }

    fn sensor(&self) -> &Sensor {
        self.sensor.as_ref().expect("the sensor runs")
    }

    /// Sends the sensor `kill -9`.
    pub(crate) fn kill(&self) {
        self.sensor().signal(Signal::KILL);
    }

    /// Whether the killed sensor ends within that time: a thread that waits in the kernel for the
    /// server of a hard mount does not end before the server answers.
    pub(crate) fn ends_within(&mut self, time: Duration) -> bool {
        let sensor = self.sensor.as_mut().expect("the sensor ran");
        let begin = Instant::now();
        while sensor.ended().is_none() && begin.elapsed() < time {
            thread::sleep(Duration::from_millis(50));
        }
        let has_ended = sensor.ended().is_some();
        if has_ended {
            self.sensor = None;
        }
        has_ended
    }

    /// Ends the sensor in order; it must not have lost an event.
    pub(crate) fn stop(&mut self) {
        let sensor = self.sensor.take().expect("the sensor runs");
        sensor.signal(Signal::TERM);
        let mut sensor = sensor;
        assert!(wait_for(|| sensor.ended().is_some()), "it does not end");
        let stderr = sensor.stderr();
        let counters = tests::Counters::new(&stderr);
        assert_eq!(counters.lost(), 0, "{stderr}");
        assert_eq!(counters.output("dropped"), 0, "{stderr}");
    }

    /// Events that rules have matched.
    pub(crate) fn matched(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a counter"
        )]
        let matched = self
            .sensor()
            .metric("sensor_events_matched_total{kind=\"exec\"}") as u64;
        matched
    }

    /// Anonymous memory in MiB, now.
    pub(crate) fn memory(&self) -> u64 {
        let sensor = self.sensor.as_ref();
        sensor.map_or(0, |s| anonymous_memory(s.pid()).unwrap_or(0) >> 20)
    }

    /// What the sensor has logged.
    pub(crate) fn said(&self) -> String {
        self.sensor.as_ref().map(Sensor::stderr).unwrap_or_default()
    }
}
