//! Reads a node's log on the server's side while it is written, as a log shipper does.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What is in a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// How often each tick is there.
    pub(crate) ticks: BTreeMap<usize, usize>,
    /// The gaps that runs have told: from, until.
    pub(crate) gaps: Vec<(u64, u64)>,
    /// Lines that are no JSON, and files that shrank.
    pub(crate) broken: Vec<String>,
    /// Lines that a crash had cut, and that the next run completed.
    pub(crate) cut: usize,
    /// Files that were begun.
    pub(crate) files: usize,
}

impl Content {
    fn line(&mut self, line: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            let text = String::from_utf8_lossy(&line[..line.len().min(80)]);
            self.broken.push(format!("{} bytes: {text:?}", line.len()));
            return;
        };
        let fields = &value["output_fields"];
        if value["sensor.cut"] == true {
            self.cut += 1;
        } else if value["rule"] == "Tick" {
            let args = fields["proc.args"].as_str().unwrap_or_default();
            let number = args.split(' ').next().and_then(|word| word.parse().ok());
            *self.ticks.entry(number.expect("a number")).or_default() += 1;
        } else if value["rule"] == "Sensor internal: gap" {
            let bound = |key: &str| fields[key].as_u64().unwrap_or_default();
            self.gaps
                .push((bound("sensor.gap.from"), bound("sensor.gap.until")));
        }
    }

    /// Reads the logs of a node as they are at the end.
    pub(crate) fn of(logs: &Path, name: &str) -> Self {
        let mut tail = Reader::new(logs, name);
        tail.look();
        tail.content
    }
}

/// Files are known by their inodes: a rotated file goes on under another name.
struct Reader {
    logs: PathBuf,
    name: String,
    /// Bytes that were read of each file, and the beginning of its last line.
    files: BTreeMap<u64, (u64, Vec<u8>)>,
    content: Content,
}

impl Reader {
    fn new(logs: &Path, name: &str) -> Self {
        Self {
            logs: logs.to_owned(),
            name: name.to_owned(),
            files: BTreeMap::new(),
            content: Content::default(),
        }
    }

    /// Reads what is new.
    fn look(&mut self) {
        let entries = fs::read_dir(&self.logs).into_iter().flatten().flatten();
        let of_the_log = |path: &PathBuf| path.to_string_lossy().contains(&self.name);
        let mut paths: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(of_the_log)
            .collect();
        paths.sort();
        for path in paths {
            // A file may be renamed meanwhile: the next look finds it.
            let Ok(file) = fs::File::open(&path) else {
                continue;
            };
            let meta = file.metadata().unwrap();
            let known = self.files.entry(meta.ino());
            self.content.files = self.content.files.max(1);
            let (read, half) = known.or_default();
            if meta.len() < *read {
                let shrank = format!("{} shrank to {} of {read}", path.display(), meta.len());
                self.content.broken.push(shrank);
                *read = meta.len();
            }
            let new = usize::try_from(meta.len() - *read).unwrap();
            let mut bytes = vec![0; new];
            file.read_exact_at(&mut bytes, *read).unwrap();
            *read = meta.len();
            half.extend(bytes);
            while let Some(end) = half.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = half.drain(..=end).collect();
                self.content.line(&line[..end]);
            }
        }
        self.content.files = self.files.len();
    }
}

/// A thread that reads all the time.
pub(crate) struct Tail {
    content: Arc<Mutex<Content>>,
    has_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tail {
    pub(crate) fn start(logs: &Path, name: &str) -> Self {
        let content = Arc::<Mutex<Content>>::default();
        let has_ended = Arc::<AtomicBool>::default();
        let (shown, ended) = (Arc::clone(&content), Arc::clone(&has_ended));
        let mut reader = Reader::new(logs, name);
        let thread = thread::spawn(move || {
            while !ended.load(Relaxed) {
                reader.look();
                shown.lock().unwrap().clone_from(&reader.content);
                thread::sleep(PAUSE);
            }
            reader.look();
            shown.lock().unwrap().clone_from(&reader.content);
        });
        Self {
            content,
            has_ended,
            thread: Some(thread),
        }
    }

    /// Whether a tick, or a later one, was read.
    pub(crate) fn has(&self, number: usize) -> bool {
        let content = self.content.lock().unwrap();
        content
            .ticks
            .last_key_value()
            .is_some_and(|last| *last.0 >= number)
    }

    /// All that it has read.
    pub(crate) fn end(mut self) -> Content {
        self.has_ended.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.content.lock().unwrap().clone()
    }
}
