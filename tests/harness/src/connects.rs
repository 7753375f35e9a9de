//! Connects: an actor makes them in its own network namespace while a sensor writes every one.

use std::env;

use crate::{Act, Event, Scene, Seen};

/// A rule for every connect, with every field that a connect can have.
pub const RULES: &str = include_str!("connects.yaml");

/// The hook modes under which tests run: those of the environment variable `SENSOR_TEST_HOOKS`,
/// else those that every kernel allows. `cargo xtask vm` sets the variable to what each of its
/// kernels allows.
///
/// # Panics
/// If the variable names another mode.
#[must_use]
pub fn hooks() -> Vec<&'static str> {
    let Ok(modes) = env::var("SENSOR_TEST_HOOKS") else {
        return vec!["perf", "raw"];
    };
    let mode = |name: &str| {
        let known = ["fexit", "perf", "raw"].into_iter();
        let mut of_name = known.filter(|mode| *mode == name);
        of_name
            .next()
            .unwrap_or_else(|| panic!("no hook mode is named {name}"))
    };
    modes.split_whitespace().map(mode).collect()
}

/// The result of an actor's steps.
#[derive(Debug)]
pub struct Connects {
    /// The hook mode.
    pub hooks: &'static str,
    /// The sensor's events.
    pub seen: Seen,
    /// Endpoints that the actor printed, as `getsockname` and `getpeername` return them.
    pub endpoints: Vec<(String, String)>,
    /// Process id of the actor.
    pub pid: u32,
}

impl Connects {
    /// Lets an actor take its steps in a network namespace of its own.
    ///
    /// # Panics
    /// If the actor prints anything other than endpoints.
    #[must_use]
    pub fn of(hooks: &'static str, scene: &Scene, act: Act) -> Self {
        let whole = act.after(Act::new().just("net-namespace"));
        let (seen, printed, pid) = scene.act_under(whole, |setup| {
            setup.rules(RULES).option("sensor.capture.hooks", hooks)
        });
        let endpoints = printed.lines().map(|line| {
            let (local, peer) = line.split_once(' ').expect("two endpoints");
            (local.to_owned(), peer.to_owned())
        });
        let endpoints = endpoints.collect();
        Self {
            hooks,
            seen,
            endpoints,
            pid,
        }
    }

    /// The only event.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn one(&self) -> &Event {
        self.seen.only("at all", |_| true)
    }

    /// All events; there must be `count` of them.
    ///
    /// # Panics
    /// If there are more or fewer.
    #[must_use]
    pub fn events<const N: usize>(&self) -> [&Event; N] {
        let events: Vec<_> = self.seen.events.iter().collect();
        let text = format!("{} events instead of {N}: {:#?}", events.len(), self.seen);
        events.try_into().unwrap_or_else(|_| panic!("{text}"))
    }

    /// `fd.name` of the endpoints that the actor printed last.
    ///
    /// # Panics
    /// If the actor printed no endpoints.
    #[must_use]
    pub fn name(&self) -> String {
        let (local, peer) = self
            .endpoints
            .last()
            .expect("the actor printed the endpoints");
        format!("{local}->{peer}")
    }
}

/// Lets an actor take its steps, once in each hook mode, and passes the result to `look`.
pub fn check(act: impl Fn(&Scene) -> Act, look: impl Fn(&Connects)) {
    for hooks in hooks() {
        let scene = Scene::new();
        let connects = Connects::of(hooks, &scene, act(&scene));
        eprintln!("hooks: {hooks}");
        look(&connects);
    }
}

/// Steps that make a socket: family, type and protocol by their numbers.
#[must_use]
pub fn socket(fd: i32, family: i32, kind: i32, protocol: i32) -> Act {
    let operands = [fd, family, kind, protocol].map(|number| number.to_string());
    Act::new().then("socket", operands)
}

/// Steps with a TCP socket of descriptor 100.
#[must_use]
pub fn tcp(family: i32) -> Act {
    socket(100, family, libc::SOCK_STREAM, 0)
}

/// Steps with a UDP socket of descriptor 100.
#[must_use]
pub fn udp(family: i32) -> Act {
    socket(100, family, libc::SOCK_DGRAM, 0)
}

impl Act {
    /// Appends these steps.
    #[must_use]
    pub fn after(self, first: Self) -> Self {
        first.and(self)
    }

    /// A socket listens at that address.
    #[must_use]
    pub fn listen(self, fd: i32, address: &str) -> Self {
        let fd = fd.to_string();
        self.then("listen", [fd.as_str(), address, "128"])
    }

    /// Descriptor 100 connects, with that result: 0 or an errno.
    #[must_use]
    pub fn connect(self, address: &str, errno: i32) -> Self {
        self.then("connect", ["100", address, &errno.to_string()])
    }

    /// The actor prints both endpoints of descriptor 100.
    #[must_use]
    pub fn endpoints(self) -> Self {
        self.then("endpoints", ["100"])
    }
}
