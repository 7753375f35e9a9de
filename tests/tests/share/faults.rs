//! What a server, a share and a sensor can suffer, and which lines are there afterwards.

use std::{
    fmt::Write as _,
    ops::Range,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tests::Scene;

use super::{
    node::Node,
    server::{Server, Share},
    tail::{Content, Tail},
    ticks::{PROGRAM, Ticks},
};

/// One share at a time.
static ONE: Mutex<()> = Mutex::new(());
/// How long the lines may take that wait after a fault.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long the server is away.
const AWAY: Duration = Duration::from_mins(1);
/// Length of the other faults.
const A_WHILE: Duration = Duration::from_secs(20);
/// Lines of a fault that may be there twice on a soft mount: those of one request, which the client
/// has given up and which reaches the server even so.
const GIVEN_UP: usize = 200;
/// How much memory a sensor may take, MiB.
const MEMORY: u64 = 64;

#[test]
#[ignore = "`cargo xtask vm --share` runs it"]
fn each_line_is_once_on_a_share_of_nfs_3_that_is_mounted_hard() {
    all_faults("vers=3,proto=tcp,nolock,hard");
}

#[test]
#[ignore = "`cargo xtask vm --share` runs it"]
fn no_line_is_missing_on_a_share_of_nfs_3_that_is_mounted_soft() {
    all_faults("vers=3,proto=tcp,nolock,soft,timeo=50,retrans=2");
}

#[test]
#[ignore = "`cargo xtask vm --share` runs it"]
fn each_line_is_once_on_a_share_of_nfs_4_that_is_mounted_hard() {
    all_faults("vers=4.2,hard");
}

#[test]
#[ignore = "`cargo xtask vm --share` runs it"]
fn no_line_is_missing_on_a_share_of_nfs_4_that_is_mounted_soft() {
    all_faults("vers=4.2,soft,timeo=50,retrans=2");
}

/// The nodes whose sensors write to the share, and who reads.
struct Bed {
    server: Server,
    nodes: [Node; 2],
    tails: [Tail; 2],
    ticks: Ticks,
    rows: Vec<Row>,
}

/// One fault.
struct Row {
    fault: &'static str,
    ticks: Range<usize>,
    /// Most memory of a sensor, MiB.
    memory: u64,
    /// How long the last line took after the fault.
    late: Duration,
}

fn all_faults(options: &str) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start();
    let share = Share::mount(options);
    let logs = share.logs();
    let scene = Scene::new();
    let mut nodes = [Node::new("a"), Node::new("b")];
    thread::scope(|scope| {
        for node in &mut nodes {
            scope.spawn(|| node.start(&logs));
        }
    });
    let on_the_server = server.logs();
    let tails = nodes
        .each_ref()
        .map(|node| Tail::start(&on_the_server, &node.log()));
    let mut bed = Bed {
        server,
        nodes,
        tails,
        ticks: Ticks::start(scene.program(PROGRAM)),
        rows: Vec::new(),
    };
    bed.fault("none", |bed| bed.pass(Duration::from_secs(5)));
    bed.fault("server stopped for 60 s", |bed| {
        bed.server.stop();
        bed.capture_goes_on(AWAY);
        bed.server.go_on();
    });
    bed.fault("share full for 20 s", |bed| {
        bed.server.fill();
        bed.capture_goes_on(A_WHILE);
        bed.server.free();
    });
    bed.fault("export taken away for 20 s", |bed| {
        bed.server.take_away();
        bed.capture_goes_on(A_WHILE);
        bed.server.export();
    });
    bed.fault("`kill -9`, restart", |bed| {
        bed.nodes[0].kill();
        bed.restart(&logs);
    });
    bed.fault("`kill -9` while the server is stopped, restart", |bed| {
        bed.server.stop();
        bed.pass(Duration::from_secs(5));
        bed.nodes[0].kill();
        let ends = bed.nodes[0].ends_within(A_WHILE);
        println!("the killed sensor ends before the server is back: {ends}");
        if ends {
            bed.nodes[0].start(&logs);
            bed.pass(Duration::from_secs(5));
            bed.server.go_on();
        } else {
            bed.server.go_on();
            bed.restart(&logs);
        }
    });
    bed.end(options);
}

impl Bed {
    /// Lets a fault happen, and waits until a line that came after the fault is there.
    fn fault(&mut self, fault: &'static str, happen: impl FnOnce(&mut Self)) {
        let first = self.ticks.count();
        self.rows.push(Row {
            fault,
            ticks: first..first,
            memory: 0,
            late: Duration::ZERO,
        });
        happen(self);
        self.pass(Duration::from_secs(3));
        let last = self.ticks.count();
        let begin = Instant::now();
        while !self.tails.iter().all(|tail| tail.has(last)) {
            let said = || self.nodes.each_ref().map(Node::said).concat();
            assert!(begin.elapsed() < PATIENCE, "{fault}: {}", said());
            self.pass(Duration::from_millis(100));
        }
        let row = self.rows.last_mut().unwrap();
        row.late = begin.elapsed();
        row.ticks.end = self.ticks.count();
        println!("{fault}: ticks {:?}, {:?}", row.ticks, row.late);
    }

    /// Waits, and looks at the memory meanwhile.
    fn pass(&mut self, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            let memory = self.nodes.iter().map(Node::memory).max().unwrap();
            let row = self.rows.last_mut().unwrap();
            row.memory = row.memory.max(memory);
            thread::sleep(Duration::from_millis(200).min(time));
        }
    }

    /// Waits; rules must be evaluated for all events meanwhile, though nothing can be written.
    fn capture_goes_on(&mut self, time: Duration) {
        let before = self.nodes.each_ref().map(Node::matched);
        let ticks = self.ticks.count();
        self.pass(time);
        let executed = u64::try_from(self.ticks.count() - ticks).unwrap();
        // A moment for the last of them.
        self.pass(Duration::from_secs(1));
        for (node, before) in self.nodes.iter().zip(before) {
            let matched = node.matched() - before;
            assert!(matched >= executed, "{matched} of {executed} are evaluated");
        }
    }

    /// Waits until the killed sensor of the first node has ended, and starts it again.
    fn restart(&mut self, logs: &Path) {
        assert!(self.nodes[0].ends_within(PATIENCE), "it does not end");
        self.nodes[0].start(logs);
    }

    /// Stops all, prints the table, and compares.
    fn end(mut self, options: &str) {
        self.ticks.end();
        for node in &mut self.nodes {
            node.stop();
        }
        let names = self.nodes.each_ref().map(Node::log);
        let logs = self.server.logs();
        let read = self.tails.map(Tail::end);
        let mut table = String::new();
        let mut wrong = Vec::new();
        let twice = if options.contains("soft") {
            GIVEN_UP
        } else {
            0
        };
        for row in &self.rows {
            let mut cells = Vec::new();
            for (content, name) in read.iter().zip(&names) {
                let count = Count::of(content, row, &self.ticks);
                if count.untold > 0 || count.doubled > twice {
                    wrong.push(format!("{}, {name}: {count:?}", row.fault));
                }
                cells.push(format!(
                    "{} | {} | {} | {}",
                    count.written, count.told, count.untold, count.doubled
                ));
            }
            writeln!(
                table,
                "| {} | {} | {} | {} MiB | {:.1} s |",
                row.fault,
                row.ticks.len(),
                cells.join(" | "),
                row.memory,
                row.late.as_secs_f64()
            )
            .unwrap();
            assert!(row.memory <= MEMORY, "{}: {} MiB", row.fault, row.memory);
        }
        let of_a_log = "written | lost, told | lost, not told | doubled";
        println!(
            "\n{options}\n\n| fault | execs | {of_a_log} | {of_a_log} | memory | late |\n{table}"
        );
        for (content, name) in read.iter().zip(&names) {
            println!(
                "{name}: {} files, {} lines completed after a crash",
                content.files, content.cut
            );
            wrong.extend(content.broken.iter().map(|line| format!("{name}: {line}")));
            // What is there at the end is what the reader has seen.
            let file = Content::of(&logs, name);
            if file.ticks != content.ticks {
                wrong.push(format!("{name} differs from what was read of it"));
            }
            assert!(content.files > 2, "{name} was not rotated");
        }
        assert!(wrong.is_empty(), "{options}: {wrong:#?}");
    }
}

/// The lines of one fault in one log.
#[derive(Debug)]
struct Count {
    /// Ticks that are there.
    written: usize,
    /// Ticks that are not there, within a gap that a run has told.
    told: usize,
    /// Ticks that are not there, and in no gap.
    untold: usize,
    /// Ticks that are there more than once.
    doubled: usize,
}

impl Count {
    fn of(content: &Content, row: &Row, ticks: &Ticks) -> Self {
        let mut count = Self {
            written: 0,
            told: 0,
            untold: 0,
            doubled: 0,
        };
        for number in row.ticks.clone() {
            let (before, after) = ticks.times(number);
            let is_told = |gap: &(u64, u64)| after >= gap.0 && before <= gap.1;
            match content.ticks.get(&number) {
                Some(times) => {
                    count.written += 1;
                    count.doubled += usize::from(*times > 1);
                }
                None if content.gaps.iter().any(is_told) => count.told += 1,
                None => count.untold += 1,
            }
        }
        count
    }
}
