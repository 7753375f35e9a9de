//! Sabotage of a machine that nobody else uses: the guest of `cargo xtask vm`. Elsewhere these
//! tests only report that they do nothing. They run side by side in one process tree, so each
//! executes a program with a name of its own.

use std::{
    env, fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use tests::{Act, Event, Scene, Sensor, Setup, sensor::wait_for};

/// Whether the test may break this machine.
fn in_guest() -> bool {
    let is_guest = env::var_os("SENSOR_TEST_GUEST").is_some();
    if !is_guest {
        eprintln!("not in a guest of `cargo xtask vm`: nothing is tested");
    }
    is_guest
}

/// An actor that waits to execute `tool NUMBER`, and a sensor that watches it.
fn watched(scene: &Scene, number: &str) -> (tests::act::Actor, Sensor) {
    let tool = scene.program("tool");
    let actor = Act::new().exec(&tool, ["tool", number]).start();
    let sensor = Setup::watching(actor.pid()).start();
    (actor, sensor)
}

fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("the clock is after 1970")
}

/// Moves the clock; dropping this value moves it back.
struct Clock(i64);

impl Clock {
    fn moved(seconds: i64) -> Self {
        shift(seconds);
        Self(seconds)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        shift(-self.0);
    }
}

fn shift(seconds: i64) {
    let time = clock_gettime(ClockId::Realtime);
    let time = Timespec {
        tv_sec: time.tv_sec + seconds,
        ..time
    };
    clock_settime(ClockId::Realtime, time).expect("root may set the clock");
}

#[test]
fn after_the_clock_was_set_back_events_have_the_new_time() {
    if !in_guest() {
        return;
    }
    let scene = Scene::new();
    let (actor, sensor) = watched(&scene, "1");
    let clock = Clock::moved(-3600);
    let before = now();
    let _printed = actor.go();
    let seen = sensor.stop();
    let after = now();
    drop(clock);
    let time = seen.exec("tool").field("evt.time").as_u64();
    let time = Duration::from_nanos(time.expect("nanoseconds"));
    let slack = Duration::from_secs(1);
    assert!(
        before < time + slack && time < after + slack,
        "{before:?} {time:?} {after:?}"
    );
    seen.counters().assert_complete();
}

/// Takes a CPU offline; dropping this value takes it online again.
struct Offline(&'static Path);

impl Offline {
    fn take(cpu: &'static Path) -> Self {
        fs::write(cpu, "0").expect("root may take a CPU offline");
        Self(cpu)
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        let _ = fs::write(self.0, "1");
    }
}

#[test]
fn a_cpu_that_goes_and_comes_back_costs_no_event() {
    let cpu = Path::new("/sys/devices/system/cpu/cpu1/online");
    if !in_guest() || !cpu.exists() {
        return;
    }
    let scene = Scene::new();
    let tool = scene.program("shifted");
    let spawn = |act: Act, number: u32| {
        act.then("spawn", [&tool])
            .argv(["shifted".to_owned(), number.to_string()])
    };
    let [first, second, third] = [0, 100, 200].map(|from| {
        let act = (from..from + 100).fold(Act::new(), spawn);
        act.start()
    });
    let sensor = Setup::watching(std::process::id()).start();
    let _printed = first.go();
    let offline = Offline::take(cpu);
    let _printed = second.go();
    drop(offline);
    let _printed = third.go();
    let seen = sensor.stop();
    seen.counters().assert_complete();
    let is_one = |event: &&Event| event.field("proc.name") == "shifted";
    assert_eq!(
        seen.events.iter().filter(is_one).count(),
        300,
        "{}",
        seen.stderr
    );
}

#[test]
fn a_sensor_that_the_kernel_kills_for_memory_leaves_whole_lines_and_starts_again() {
    let root = Path::new("/sys/fs/cgroup");
    if !in_guest() || fs::write(root.join("cgroup.subtree_control"), "+memory").is_err() {
        return;
    }
    let scene = Scene::new();
    let log = scene.path("events.json");
    let tool = scene.program("starving");
    let act = |number: &str| Act::new().exec(&tool, ["starving", number]).start();
    let [first, second] = ["1", "2"].map(act);
    let mut sensor = Setup::watching(std::process::id())
        .log_at(log.clone())
        .start();
    let _printed = first.go();
    sensor.settle();
    let group = root.join("starved");
    fs::create_dir(&group).expect("a cgroup can be made");
    fs::write(group.join("cgroup.procs"), sensor.pid().to_string()).expect("it can be moved");
    // The limit applies to allocations from now on; a page is too little for any thread.
    fs::write(group.join("memory.max"), "4096").expect("the limit can be set");
    sensor.signal(rustix::process::Signal::HUP); // reading the rules again takes memory
    assert!(wait_for(|| sensor.ended().is_some()), "it was not killed");
    let status = sensor.ended().expect("it has ended");
    assert!(!status.success(), "{status:?}");
    drop(sensor);
    fs::remove_dir(&group).expect("nobody is in it");

    let text = fs::read_to_string(&log).expect("the log is there");
    assert!(text.ends_with('\n'), "{text:?}");
    let whole = text
        .lines()
        .map(Event::parse)
        .filter(|event| !event.is_internal() && event.field("proc.name") == "starving");
    assert_eq!(whole.count(), 1, "{text}");
    let again = Setup::watching(std::process::id()).log_at(log).start();
    let _printed = second.go();
    let seen = again.stop();
    seen.counters().assert_complete();
    let is_second =
        |event: &&Event| event.field("proc.name") == "starving" && event.field("proc.args") == "2";
    assert_eq!(seen.events.iter().filter(is_second).count(), 1, "{seen:#?}");
}
