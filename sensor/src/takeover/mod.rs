//! A rollout without a gap: a sensor takes over from the one that runs, at an exact time of the
//! kernel's clock. [docs/takeover.md](../../../docs/takeover.md) has the messages and the states.
//!
//! ```text
//! running sensor: Door ──▶ Successor ──hand_over──▶ Handing      (predecessor)
//!                  ▲ messages over a unix socket in the state folder
//! new sensor:  Predecessor ──tick──▶ Took                        (successor)
//! ```

mod door;
mod handing;
mod message;
mod predecessor;
mod wire;

pub use door::{Door, Locks, Successor};
pub use handing::{Handing, hand_over};
pub use message::When;
pub use predecessor::{Found, How, Predecessor, Step, Took};

/// Marks a state of the protocol. Builds for tests end here, as by `kill -9`, if
/// `SENSOR_TEST_TAKEOVER_DIES` names the state.
fn reached(state: &str) {
    tracing::debug!("takeover: {state}");
    #[cfg(debug_assertions)]
    if std::env::var("SENSOR_TEST_TAKEOVER_DIES").is_ok_and(|named| named == state) {
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    }
}
