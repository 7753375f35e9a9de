//! Integration tests: the built sensor on a real kernel.
//!
//! A test makes a [`Scene`], gives an actor its steps ([`Act`]), lets the actor act
//! while a sensor watches the actor and nobody else, and reads what the sensor wrote:
//!
//! ```no_run
//! use tests::{Act, Scene};
//!
//! let scene = Scene::new();
//! let tool = scene.program("tool");
//! let seen = scene.act(Act::new().exec(&tool, ["tool", "--all"]));
//! assert_eq!(seen.exec("tool").text("proc.args"), "--all");
//! ```
//!
//! They need root, and a sensor: `SENSOR_BIN`, or that of `cargo xtask build`.

pub mod apiserver;
pub mod cluster;
pub mod cri;
pub mod engine;
pub mod enricher;
pub mod late_docker;
pub mod names;
pub mod observer;
pub mod proxy;
pub mod recorder;
pub mod terminal;
pub mod testbed;

pub use harness::{
    Act, Bpftool, Cgroup, Container, Counters, Event, Scene, Seen, Sensor, Setup, Statistics, Tick,
    Ticks, act, calls, connects, container, elf, figures, programs, rights, sensor,
};
