//! Runs the sensor on a real kernel, for integration tests and benchmarks.
//!
//! A test makes a [`Scene`], gives an actor its steps ([`Act`]), lets the actor take them while a
//! sensor watches only the actor, and reads what the sensor wrote:
//!
//! ```no_run
//! use harness::{Act, Scene};
//!
//! let scene = Scene::new();
//! let tool = scene.program("tool");
//! let seen = scene.act(Act::new().exec(&tool, ["tool", "--all"]));
//! assert_eq!(seen.exec("tool").text("proc.args"), "--all");
//! ```
//!
//! Tests need root, and a sensor: `SENSOR_BIN`, or the one of `cargo xtask build`.

pub mod act;
pub mod bpftool;
pub mod calls;
pub mod cgroup;
pub mod companion;
pub mod connects;
pub mod container;
pub mod counters;
pub mod elf;
pub mod event;
pub mod figures;
pub mod lines;
pub mod programs;
pub mod rights;
pub mod scene;
pub mod seen;
pub mod sensor;
pub mod statistics;
pub mod ticks;
pub mod web;

pub use act::Act;
pub use bpftool::Bpftool;
pub use cgroup::Cgroup;
pub use companion::Companion;
pub use container::Container;
pub use counters::Counters;
pub use event::Event;
pub use scene::Scene;
pub use seen::Seen;
pub use sensor::{Sensor, Setup};
pub use statistics::Statistics;
pub use ticks::{Tick, Ticks};
