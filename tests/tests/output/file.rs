//! The file output on a file system that works.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use config::ByteSize;
use outputs::OutputError;

use super::support::{Bench, Content, eventually, file_config, files, inode, read};

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

fn log(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("log.json")
}

#[test]
fn every_line_is_in_the_file_and_in_the_account() {
    let dir = temp();
    let mut bench = Bench::start(&file_config(dir.path()));
    (0..100).for_each(|_| bench.lines(100));
    let counts = bench.stop();
    assert!(counts.balanced());
    assert_eq!((counts.offered, counts.written), (10_000, 10_000));
    let content = read(&files(dir.path()));
    assert_eq!(content.missing(10_000), 0);
    assert_eq!(
        content.rules().keys().collect::<Vec<_>>(),
        ["Sensor internal: start", "Sensor internal: stop"]
    );
}

#[test]
fn a_line_is_in_the_file_at_once_when_the_output_is_idle() {
    let dir = temp();
    let mut bench = Bench::start(&file_config(dir.path()));
    std::thread::sleep(Duration::from_millis(50));
    let began = Instant::now();
    bench.lines(1);
    eventually("line", || {
        fs::read_to_string(log(&dir)).is_ok_and(|text| text.contains("\"evt.num\":0"))
    });
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
    bench.stop();
}

#[test]
fn the_first_line_is_longer_than_one_kibibyte() {
    let dir = temp();
    Bench::start(&file_config(dir.path())).stop();
    let text = fs::read_to_string(log(&dir)).unwrap();
    assert!(text.lines().next().unwrap().len() > 1024);
}

#[test]
fn an_existing_file_is_continued_and_the_former_run_is_named() {
    let dir = temp();
    let config = file_config(dir.path());
    let mut bench = Bench::start(&config);
    bench.lines(42);
    bench.stop();
    let before = fs::read_to_string(log(&dir)).unwrap();
    Bench::start(&config).stop();
    let after = fs::read_to_string(log(&dir)).unwrap();
    assert!(after.starts_with(&before));
    let content = read(&files(dir.path()));
    let start = &content.own[2]["output_fields"];
    assert_eq!(start["sensor.previous.clean"], true);
    assert_eq!(start["sensor.previous.last_line"], 42);
}

#[test]
fn a_run_that_ended_while_it_rotated_is_named() {
    // Before the new file has its first line, and in the middle of this line.
    for begun in ["", "{\"hostname\":\"n1\",\"outp"] {
        let dir = temp();
        let config = file_config(dir.path());
        let mut bench = Bench::start(&config);
        bench.lines(42);
        bench.stop();
        let text = fs::read_to_string(log(&dir)).unwrap();
        let killed: String = text.split_inclusive('\n').take(43).collect();
        fs::write(dir.path().join("log.json.000001"), killed).unwrap();
        fs::write(log(&dir), begun).unwrap();
        Bench::start(&config).stop();
        let content = read(&files(dir.path()));
        let mut starts = content.own.iter().map(|record| &record["output_fields"]);
        let start = starts
            .rfind(|fields| fields.get("sensor.previous.clean").is_some())
            .unwrap_or_else(|| panic!("{:?}", content.own));
        assert_eq!(start["sensor.previous.clean"], false);
        assert_eq!(start["sensor.previous.cut"], !begun.is_empty());
        assert_eq!(start["sensor.previous.last_event"], 41);
        assert_eq!(start["sensor.previous.last_line"], 42);
        assert!(start["sensor.previous.down_seconds"].is_number());
    }
}

#[test]
fn a_half_line_of_a_crash_becomes_a_whole_one() {
    let dir = temp();
    fs::write(log(&dir), "{\"a\":1}\n{\"output\":\"ha").unwrap();
    let mut bench = Bench::start(&file_config(dir.path()));
    bench.lines(3);
    bench.stop();
    let content = read(&files(dir.path()));
    assert_eq!(content.numbers, [0, 1, 2]);
    assert_eq!(content.own[1]["output"], "ha");
    assert_eq!(content.own[1]["sensor.cut"], true);
}

#[test]
fn rotation_keeps_the_sequence_and_the_count() {
    let dir = temp();
    let mut config = file_config(dir.path());
    config.sensor.file_output.rotate.size = ByteSize::kib(64);
    config.sensor.file_output.rotate.keep = 0;
    let mut bench = Bench::start(&config);
    for _ in 0..50 {
        bench.lines(100);
        std::thread::sleep(Duration::from_millis(5));
    }
    let counts = bench.stop();
    assert_eq!(counts.written, 5000);
    let files = files(dir.path());
    assert!(files.len() > 5, "{files:?}");
    assert_eq!(read(&files).missing(5000), 0);
    let mut firsts: Vec<Vec<u8>> = files
        .iter()
        .map(|path| fs::read(path).unwrap()[..1024].to_vec())
        .collect();
    firsts.sort();
    firsts.dedup();
    assert_eq!(firsts.len(), files.len(), "first 1,024 bytes are unique");
}

#[test]
fn old_files_are_removed_beyond_the_kept_count() {
    let dir = temp();
    let mut config = file_config(dir.path());
    config.sensor.file_output.rotate.size = ByteSize::kib(16);
    config.sensor.file_output.rotate.keep = 2;
    let mut bench = Bench::start(&config);
    for _ in 0..20 {
        bench.lines(100);
        bench.settle("file");
    }
    bench.stop();
    assert_eq!(files(dir.path()).len(), 3);
}

#[test]
fn rotation_by_age_begins_a_new_file() {
    let dir = temp();
    let mut config = file_config(dir.path());
    config.sensor.file_output.rotate.age = "300ms".parse().unwrap();
    let mut bench = Bench::start(&config);
    bench.lines(1);
    std::thread::sleep(Duration::from_millis(400));
    bench.lines(1);
    bench.stop();
    assert_eq!(files(dir.path()).len(), 2);
    assert_eq!(read(&files(dir.path())).missing(2), 0);
}

#[test]
fn a_renamed_file_is_left_alone_and_a_new_one_begun() {
    let dir = temp();
    let mut bench = Bench::start(&file_config(dir.path()));
    bench.lines(10);
    bench.settle("file");
    fs::rename(log(&dir), dir.path().join("log.json.000000")).unwrap();
    bench.outputs.control().reopen();
    eventually("new file", || log(&dir).exists());
    bench.lines(10);
    bench.stop();
    assert_eq!(read(&files(dir.path())).missing(20), 0);
    assert_eq!(read(&[log(&dir)]).numbers.len(), 10);
}

#[test]
fn a_renamed_file_is_noticed_without_a_signal() {
    let dir = temp();
    let mut bench = Bench::start(&file_config(dir.path()));
    bench.lines(10);
    bench.settle("file");
    fs::rename(log(&dir), dir.path().join("log.json.000000")).unwrap();
    bench.storm(100, Duration::from_millis(2500));
    let last = bench.next;
    bench.stop();
    assert_eq!(read(&files(dir.path())).missing(last), 0);
    assert!(log(&dir).exists());
}

#[test]
fn lines_of_a_deleted_file_that_nobody_can_have_read_are_written_again() {
    let dir = temp();
    let mut bench = Bench::start(&file_config(dir.path()));
    bench.settle("file");
    bench.lines(10);
    std::thread::sleep(Duration::from_millis(100));
    fs::remove_file(log(&dir)).unwrap();
    bench.lines(10);
    bench.settle("file");
    bench.stop();
    assert_eq!(read(&files(dir.path())).missing(20), 0);
}

#[test]
fn a_truncated_file_is_begun_anew() {
    let dir = temp();
    let mut bench = Bench::start(&file_config(dir.path()));
    bench.lines(10);
    bench.settle("file");
    fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(log(&dir))
        .unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    bench.lines(10);
    bench.settle("file");
    bench.stop();
    let text = fs::read_to_string(log(&dir)).unwrap();
    assert!(text.lines().next().unwrap().len() > 1024);
    assert_eq!(read(&[log(&dir)]).numbers, (10..20).collect::<Vec<_>>());
}

#[test]
fn a_moved_directory_is_written_on_and_found_again() {
    let dir = temp();
    let (here, away) = (dir.path().join("logs"), dir.path().join("away"));
    let mut bench = Bench::start(&file_config(&here));
    bench.storm(500, Duration::from_millis(500));
    fs::rename(&here, &away).unwrap();
    bench.storm(500, Duration::from_millis(2500));
    fs::rename(&away, &here).unwrap();
    bench.storm(500, Duration::from_millis(1500));
    let last = bench.next;
    let counts = bench.stop();
    assert_eq!(counts.written, last);
    assert_eq!(read(&files(&here)).missing(last), 0);
}

#[test]
fn an_idle_file_is_closed_without_keep_alive() {
    let dir = temp();
    let mut config = file_config(dir.path());
    config.file_output.keep_alive = false;
    let mut bench = Bench::start(&config);
    for _ in 0..3 {
        bench.lines(10);
        bench.settle("file");
        eventually("closed", || !is_open(&log(&dir)));
    }
    bench.stop();
    let content = read(&files(dir.path()));
    assert_eq!(content.missing(30), 0);
    assert_eq!(content.rules()["Sensor internal: start"], 1);
}

fn is_open(path: &Path) -> bool {
    let fds = fs::read_dir("/proc/self/fd").unwrap();
    fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .any(|target| target == path)
}

#[test]
fn a_symbolic_link_is_an_error_at_the_start() {
    let dir = temp();
    std::os::unix::fs::symlink("elsewhere", log(&dir)).unwrap();
    let config = file_config(dir.path());
    let identity = Arc::new(telemetry::Identity::new(&config));
    let error = outputs::Outputs::start(&config, &identity).unwrap_err();
    assert!(matches!(error, OutputError::File { .. }));
    assert!(
        error.to_string().contains("must not be a symbolic link"),
        "{error}"
    );
}

#[test]
fn no_output_at_all_is_an_error() {
    let mut config = file_config(Path::new("/tmp"));
    config.file_output.enabled = false;
    let identity = Arc::new(telemetry::Identity::new(&config));
    let error = outputs::Outputs::start(&config, &identity).unwrap_err();
    assert!(matches!(error, OutputError::None));
}

/// A reader as in Elastic's agent: reads every file to its end, under whatever name.
fn follow_by_inode(dir: PathBuf, done: Arc<AtomicBool>) -> std::thread::JoinHandle<Content> {
    std::thread::spawn(move || {
        let mut seen: Vec<(u64, BufReader<fs::File>, String)> = Vec::new();
        loop {
            let last = done.load(Relaxed);
            for path in files(&dir) {
                let Ok(file) = fs::File::open(&path) else {
                    continue;
                };
                let ino = std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap());
                if !seen.iter().any(|(known, ..)| *known == ino) {
                    seen.push((ino, BufReader::new(file), String::new()));
                }
            }
            for (_, reader, text) in &mut seen {
                while reader.read_line(text).unwrap() > 0 {}
            }
            if last {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        seen.sort_by_key(|(.., text)| text.lines().nth(1).map(str::to_owned));
        let mut content = Content::default();
        for (_, _, text) in &seen {
            content.add(text, "by inode");
        }
        content.numbers.sort_unstable();
        content
    })
}

/// A reader as `tail -F`: opens the path again when it leads to another file.
fn follow_by_name(path: PathBuf, done: Arc<AtomicBool>) -> std::thread::JoinHandle<Content> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let mut current = BufReader::new(fs::File::open(&path).unwrap());
        loop {
            let last = done.load(Relaxed);
            let next = fs::File::open(&path).unwrap();
            let ino =
                |file: &fs::File| std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap());
            let changed = ino(&next) != ino(current.get_ref());
            while current.read_line(&mut text).unwrap() > 0 {}
            if changed {
                current = BufReader::new(next);
                continue;
            }
            if last {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut content = Content::default();
        content.add(&text, "by name");
        content
    })
}

#[test]
fn readers_by_inode_and_by_name_get_every_line_across_rotations() {
    let dir = temp();
    let mut config = file_config(dir.path());
    config.sensor.file_output.rotate.size = ByteSize::mib(1);
    config.sensor.file_output.rotate.keep = 0;
    let mut bench = Bench::start(&config);
    let done = Arc::new(AtomicBool::new(false));
    let by_inode = follow_by_inode(dir.path().into(), Arc::clone(&done));
    let by_name = follow_by_name(log(&dir), Arc::clone(&done));
    bench.storm(10_000, Duration::from_secs(3));
    let last = bench.next;
    assert_eq!(bench.stop().written, last);
    done.store(true, Relaxed);
    assert!(files(dir.path()).len() > 5);
    assert_eq!(by_inode.join().unwrap().missing(last), 0);
    assert_eq!(by_name.join().unwrap().missing(last), 0);
    assert_eq!(read(&files(dir.path())).missing(last), 0);
}

#[test]
fn what_a_foreign_file_holds_is_kept() {
    let dir = temp();
    let mut file = fs::File::create(log(&dir)).unwrap();
    writeln!(file, "{{\"other\":1}}").unwrap();
    let before = inode(&log(&dir));
    Bench::start(&file_config(dir.path())).stop();
    assert_eq!(inode(&log(&dir)), before);
    assert!(
        fs::read_to_string(log(&dir))
            .unwrap()
            .starts_with("{\"other\":1}\n")
    );
}
