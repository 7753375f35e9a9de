//! The file output on file systems that fill up, freeze and break: small ext4 images on loop
//! devices. These tests need root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

use config::{ByteSize, Config};
use outputs::{Counts, DropCause};
use tests::{Scene, Setup, figures::anonymous_memory, programs, sensor::wait_for};

use super::support::{Bench, eventually, file_config, files, held_up, read};

/// A small ext4 on a loop device; unmounted on drop.
struct Disk {
    dir: tempfile::TempDir,
    mounted: PathBuf,
}

fn command(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {text}");
}

impl Disk {
    /// A new one; none without root.
    fn new(mib: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return None;
        }
        let dir = tempfile::tempdir().expect("temporary directory");
        let disk = Self {
            mounted: dir.path().join("mnt"),
            dir,
        };
        fs::create_dir(&disk.mounted).expect("mount point");
        let image = fs::File::create(disk.image()).expect("image");
        image.set_len(mib << 20).expect("image size");
        command("mkfs.ext4", &["-q", "-m", "0", disk.image().to_str()?]);
        disk.mount();
        Some(disk)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn mount(&self) {
        let (image, at) = (self.image(), &self.mounted);
        let options = "loop,errors=remount-ro";
        command("mount", &["-o", options, path(&image), path(at)]);
    }

    fn umount(&self) {
        eventually("umount", || {
            let status = Command::new("umount").arg(&self.mounted).output();
            status.is_ok_and(|output| output.status.success())
        });
    }

    fn freeze(&self) {
        command("fsfreeze", &["-f", path(&self.mounted)]);
    }

    fn thaw(&self) {
        command("fsfreeze", &["-u", path(&self.mounted)]);
    }

    fn logs(&self) -> PathBuf {
        self.mounted.join("logs")
    }

    /// Fills the file system to the last byte.
    fn fill(&self) -> PathBuf {
        let ballast = self.mounted.join("ballast");
        let mut file = fs::File::create(&ballast).expect("ballast");
        for size in [1 << 20, 4096, 512, 1] {
            while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
        }
        ballast
    }

    /// Name of its block device.
    fn device(&self) -> String {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
        let line = mounts.lines().find(|l| l.contains(path(&self.mounted)));
        let device = line.and_then(|l| l.split(' ').next()).expect("mounted");
        device.trim_start_matches("/dev/").to_owned()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mounted = path(&self.mounted).to_owned();
        let _ = Command::new("fsfreeze").args(["-u", &mounted]).output();
        let _ = Command::new("umount").args(["-l", &mounted]).output();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn all_written(disk: &Disk, bench: Bench) {
    let last = bench.next;
    bench.settle("file");
    let counts = bench.stop();
    assert!(counts.balanced());
    assert_eq!(counts.written, last, "{counts:?}");
    assert_eq!(read(&files(&disk.logs())).missing(last), 0);
}

#[test]
fn a_full_disk_loses_nothing_when_it_is_freed() {
    let Some(disk) = Disk::new(16) else { return };
    let mut bench = Bench::start(&file_config(&disk.logs()));
    bench.storm(2000, Duration::from_millis(500));
    let ballast = disk.fill();
    let longest = bench.storm(2000, Duration::from_secs(4));
    assert!(
        longest < Duration::from_millis(200),
        "capture was held up for {longest:?}"
    );
    assert!(bench.counts("file").spooled > 0, "the disk was full");
    fs::remove_file(ballast).unwrap();
    bench.storm(2000, Duration::from_millis(500));
    all_written(&disk, bench);
}

#[test]
fn a_disk_that_is_full_at_the_start_is_written_later() {
    let Some(disk) = Disk::new(16) else { return };
    fs::create_dir(disk.logs()).unwrap();
    let ballast = disk.fill();
    let mut bench = Bench::start(&file_config(&disk.logs()));
    bench.storm(1000, Duration::from_secs(1));
    fs::remove_file(ballast).unwrap();
    all_written(&disk, bench);
}

#[test]
fn a_frozen_file_system_delays_nothing_else_and_loses_nothing() {
    let Some(disk) = Disk::new(64) else { return };
    let mut bench = Bench::start(&file_config(&disk.logs()));
    bench.storm(2000, Duration::from_millis(500));
    disk.freeze();
    let seconds = if std::env::var_os("SENSOR_TEST_LONG").is_some() {
        30
    } else {
        6
    };
    let longest = bench.storm(2000, Duration::from_secs(seconds));
    disk.thaw();
    assert!(
        longest < Duration::from_millis(200),
        "capture was held up for {longest:?}"
    );
    all_written(&disk, bench);
}

#[test]
fn a_frozen_file_is_left_for_another_one_at_once() {
    let Some(disk) = Disk::new(64) else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(&file_config(&disk.logs()));
    bench.storm(2000, Duration::from_millis(300));
    disk.freeze();
    bench.storm(2000, Duration::from_millis(300));
    let before = bench.next;
    let changed = held_up(|| bench.change(&file_config(elsewhere.path())).unwrap());
    let longest = bench.storm(2000, Duration::from_millis(500));
    let (last, log) = (bench.next, elsewhere.path().join("log.json"));
    let written = |number: u64| {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.contains(&format!("\"evt.num\":{number},"))
    };
    let outcome = wait_for(|| written(before) && written(last - 1));
    disk.thaw();
    assert!(outcome, "nothing is written while the former one is frozen");
    assert!(
        changed.max(longest) < Duration::from_millis(200),
        "capture was held up for {changed:?}, {longest:?}"
    );
    let counts = bench.stop();
    assert!(counts.balanced());
    assert_eq!(counts.written, last, "{counts:?}");
    let both = [files(&disk.logs()), files(elsewhere.path())].concat();
    assert_eq!(read(&both).missing(last), 0);
}

#[test]
fn a_frozen_file_with_other_settings_gets_its_lines_in_order_after_the_thaw() {
    let Some(disk) = Disk::new(64) else { return };
    let mut config = file_config(&disk.logs());
    let mut bench = Bench::start(&config);
    bench.storm(2000, Duration::from_millis(300));
    disk.freeze();
    bench.storm(2000, Duration::from_millis(300));
    config.buffered_outputs = true;
    bench.change(&config).unwrap();
    let longest = bench.storm(2000, Duration::from_millis(500));
    disk.thaw();
    assert!(longest < Duration::from_millis(200), "{longest:?}");
    all_written(&disk, bench);
}

fn small_memory(disk: &Disk) -> Config {
    let mut config = file_config(&disk.logs());
    config.sensor.file_output.spool.memory = ByteSize::kib(512);
    config
}

#[test]
fn what_the_spool_cannot_take_is_counted_and_announced_where_it_is_missing() {
    let Some(disk) = Disk::new(64) else { return };
    let mut bench = Bench::start(&small_memory(&disk));
    bench.storm(2000, Duration::from_millis(300));
    disk.freeze();
    bench.storm(4000, Duration::from_secs(3));
    disk.thaw();
    bench.settle("file");
    bench.storm(1000, Duration::from_millis(300));
    let last = bench.next;
    let counts = bench.stop();
    assert!(counts.balanced());
    let dropped = counts.dropped[DropCause::Full as usize];
    assert!(dropped > 1000, "{counts:?}");
    let content = read(&files(&disk.logs()));
    assert_eq!(content.missing(last), dropped);
    let announced: u64 = content
        .own
        .iter()
        .filter_map(|r| r["output_fields"]["sensor.output.dropped"].as_u64())
        .sum();
    assert_eq!(announced, dropped);
}

#[test]
fn a_local_directory_takes_what_memory_cannot() {
    let Some(disk) = Disk::new(64) else { return };
    let spool = tempfile::tempdir().unwrap();
    let mut config = small_memory(&disk);
    // Almost a second of the storm: the thread that writes to the directory can wait that long for
    // a CPU.
    config.sensor.file_output.spool.memory = ByteSize::mib(1);
    config.sensor.file_output.spool.directory = Some(spool.path().to_owned());
    let mut bench = Bench::start(&config);
    bench.storm(2000, Duration::from_millis(300));
    disk.freeze();
    bench.storm(4000, Duration::from_secs(4));
    assert!(
        fs::read_dir(spool.path()).unwrap().count() > 0,
        "nothing spooled"
    );
    disk.thaw();
    bench.storm(2000, Duration::from_millis(500));
    all_written(&disk, bench);
    assert_eq!(fs::read_dir(spool.path()).unwrap().count(), 0);
}

#[test]
fn what_a_killed_run_left_in_the_spool_comes_first_though_the_file_answers_late() {
    let Some(disk) = Disk::new(64) else { return };
    let spool = tempfile::tempdir().unwrap();
    fs::create_dir(disk.logs()).unwrap();
    let line = |number| format!("{{\"output_fields\":{{\"evt.num\":{number}}},\"rule\":\"r\"}}\n");
    let mut left: String = (0..1000).map(line).collect();
    left += "{\"output_fields\":{\"evt.n";
    let segment = format!("log.json.{:020}.spool", 1_u64 << 40);
    fs::write(spool.path().join(segment), left).unwrap();
    let mut config = small_memory(&disk);
    config.sensor.file_output.spool.directory = Some(spool.path().to_owned());
    disk.freeze();
    let mut bench = Bench::start(&config);
    bench.next = 1000;
    bench.storm(4000, Duration::from_secs(1));
    assert!(
        fs::read_dir(spool.path()).unwrap().count() > 1,
        "nothing spooled before the file was open"
    );
    disk.thaw();
    all_written(&disk, bench);
    assert_eq!(fs::read_dir(spool.path()).unwrap().count(), 0);
}

#[test]
fn a_file_system_that_turned_read_only_is_written_again_after_its_repair() {
    let Some(disk) = Disk::new(64) else { return };
    let mut bench = Bench::start(&file_config(&disk.logs()));
    bench.storm(2000, Duration::from_millis(1500));
    let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", disk.device());
    fs::write(trigger, "1").unwrap();
    bench.storm(2000, Duration::from_secs(3));
    assert!(bench.counts("file").spooled > 0, "it can still be written");
    disk.umount();
    // Exit code 1: fsck corrected errors.
    let check = Command::new("e2fsck")
        .args(["-fy", path(&disk.image())])
        .output()
        .unwrap();
    assert!(
        check.status.code().is_some_and(|code| code <= 1),
        "{check:?}"
    );
    disk.mount();
    bench.storm(2000, Duration::from_millis(500));
    all_written(&disk, bench);
}

/// Stops the outputs in another thread, which sends the final counts.
fn stop_aside(bench: Bench, deadline: Duration) -> mpsc::Receiver<(Counts, Duration)> {
    let (done, outcome) = mpsc::channel();
    std::thread::spawn(move || {
        let began = Instant::now();
        let counts = bench.stop_within(deadline);
        done.send((counts, began.elapsed())).expect("test waits");
    });
    outcome
}

#[test]
fn a_stop_while_frozen_ends_after_the_thaw_with_exact_counts() {
    let Some(disk) = Disk::new(64) else { return };
    let mut bench = Bench::start(&file_config(&disk.logs()));
    bench.storm(2000, Duration::from_millis(300));
    disk.freeze();
    bench.storm(2000, Duration::from_secs(1));
    let last = bench.next;
    let outcome = stop_aside(bench, Duration::from_secs(1));
    assert!(
        outcome.recv_timeout(Duration::from_secs(3)).is_err(),
        "ended while frozen"
    );
    disk.thaw();
    let (counts, _) = outcome.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(counts.balanced());
    assert_eq!(counts.spooled, 0);
    assert_eq!(
        read(&files(&disk.logs())).missing(last),
        counts.dropped_total()
    );
}

#[test]
fn the_deadline_holds_on_a_full_disk() {
    let Some(disk) = Disk::new(16) else { return };
    let mut bench = Bench::start(&file_config(&disk.logs()));
    bench.storm(2000, Duration::from_millis(300));
    bench.settle("file");
    disk.fill();
    bench.storm(5000, Duration::from_secs(2));
    let last = bench.next;
    let outcome = stop_aside(bench, Duration::from_secs(1));
    let (counts, took) = outcome.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(counts.balanced());
    assert!(counts.dropped[DropCause::Stopped as usize] > 0);
    // The next run completes the line that the full disk cut.
    fs::remove_file(disk.mounted.join("ballast")).unwrap();
    Bench::start(&file_config(&disk.logs())).stop();
    let content = read(&files(&disk.logs()));
    let cut = content
        .own
        .iter()
        .filter(|r| r["sensor.cut"] == true)
        .count();
    assert!(cut <= 1);
    let numbers = content.numbers.iter().filter(|n| **n < last).count() as u64;
    assert!(last - numbers <= counts.dropped_total());
    assert!(
        last - numbers + 1 >= counts.dropped_total(),
        "{counts:?} {numbers} of {last}"
    );
}

#[test]
fn memory_for_lines_that_waited_for_a_frozen_file_system_is_given_back() {
    const MIB: u64 = 1 << 20;
    let Some(disk) = Disk::new(128) else { return };
    let scene = Scene::new();
    let tiny = scene.program("tiny");
    let storm = |execs: u32| {
        let mut storm = Command::new(programs::built("storm"));
        storm.args(["execs", "1", &execs.to_string(), path(&tiny)]);
        assert!(storm.output().unwrap().status.success());
    };
    let sensor = Setup::watching(std::process::id())
        .log_at(disk.logs().join("events.json"))
        .start();
    let memory = || anonymous_memory(sensor.pid()).unwrap();
    storm(2000);
    sensor.settle();
    let before = memory();
    disk.freeze();
    storm(4000);
    let waiting = memory();
    disk.thaw();
    assert!(waiting > before + 6 * MIB, "{before} {waiting}");
    assert!(
        wait_for(|| memory() < before + 2 * MIB),
        "{before} bytes before, {waiting} while frozen, {} after",
        memory()
    );
    let seen = sensor.stop();
    seen.counters().assert_complete();
    assert_eq!(seen.counters().lost(), 0);
}
