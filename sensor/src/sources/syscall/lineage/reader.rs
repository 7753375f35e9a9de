//! Reads the programs of running processes on a thread of its own. The kernel takes a command line
//! from the memory of its process, and a process that keeps this memory locked makes the reader
//! wait; the capture thread must not wait so.

use std::{
    io,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel},
    thread,
    time::{Duration, Instant},
};

use metadata::{Process, SECOND, process};

/// Longest time that an event waits for an answer. Most answers take 50 µs.
const PATIENCE: Duration = Duration::from_millis(20);
/// Most time of each second that the capture thread may spend on waiting. Otherwise a container
/// that runs more programs than the cache holds, or that makes readers wait, would delay the events
/// of others.
const SHARE: Duration = Duration::from_millis(50);

/// The reader has no answer now, and may have one later.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

struct Thread {
    questions: SyncSender<(u32, bool)>,
    answers: Receiver<Option<Process>>,
    /// Whether the answer to a question that has timed out is still to come.
    owes: bool,
}

/// The thread, which starts with the first question.
pub(super) struct Reader {
    proc_root: PathBuf,
    thread: Option<Thread>,
    /// The second of the last question, and the time that the questions of this second took.
    spent: (u64, Duration),
}

impl Reader {
    pub(super) fn new(proc_root: &Path) -> Self {
        Self {
            proc_root: proc_root.to_owned(),
            thread: None,
            spent: (0, Duration::ZERO),
        }
    }

    /// A reader of the same `/proc`, with a thread of its own.
    pub(super) fn again(&self) -> Self {
        Self::new(&self.proc_root)
    }

    /// The process with that number at the time `now` (nanoseconds since boot), if there is one,
    /// with or without its environment.
    pub(super) fn read(
        &mut self,
        tgid: u32,
        with_env: bool,
        now: u64,
    ) -> Result<Option<Process>, Busy> {
        if now / SECOND > self.spent.0 {
            self.spent = (now / SECOND, Duration::ZERO);
        }
        if self.spent.1 >= SHARE {
            return Err(Busy);
        }
        let thread = match &mut self.thread {
            Some(thread) => thread,
            none => none.insert(Thread::spawn(self.proc_root.clone()).map_err(|_| Busy)?),
        };
        let begin = Instant::now();
        let answer = thread.ask((tgid, with_env));
        self.spent.1 += begin.elapsed();
        answer
    }
}

impl Thread {
    fn spawn(proc_root: PathBuf) -> io::Result<Self> {
        let (questions, inbox) = sync_channel(1);
        let (outbox, answers) = channel();
        thread::Builder::new()
            .name("programs".into())
            .spawn(move || {
                for (tgid, with_env) in inbox {
                    if outbox.send(process(&proc_root, tgid, with_env)).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self {
            questions,
            answers,
            owes: false,
        })
    }

    fn ask(&mut self, question: (u32, bool)) -> Result<Option<Process>, Busy> {
        if self.owes && self.answers.try_recv().is_err() {
            return Err(Busy);
        }
        self.owes = false;
        self.questions.try_send(question).map_err(|_| Busy)?;
        let answer = self.answers.recv_timeout(PATIENCE);
        self.owes = answer == Err(RecvTimeoutError::Timeout);
        answer.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_returns_a_running_process_and_none_for_an_unused_number() {
        let mut reader = Reader::new(Path::new("/proc"));
        let me = reader.read(std::process::id(), true, 0);
        assert_eq!(
            me.map(|me| me.map(|me| me.tgid)),
            Ok(Some(std::process::id()))
        );
        assert_eq!(reader.read(u32::MAX, false, 0), Ok(None));
    }

    #[test]
    fn questions_take_no_more_than_their_share_of_a_second() {
        let mut reader = Reader::new(Path::new("/nowhere"));
        assert_eq!(reader.read(1, false, SECOND), Ok(None));
        assert!(reader.spent.1 > Duration::ZERO);
        reader.spent.1 = SHARE;
        assert_eq!(reader.read(1, false, SECOND), Err(Busy));
        assert_eq!(reader.read(1, false, 2 * SECOND), Ok(None));
    }

    #[test]
    fn a_late_answer_does_not_count_for_the_next_question() {
        let (questions, inbox) = sync_channel(1);
        let (outbox, answers) = channel();
        let mut thread = Thread {
            questions,
            answers,
            owes: false,
        };
        let late = Process::default();
        assert_eq!(thread.ask((1, false)), Err(Busy));
        assert_eq!(
            thread.ask((2, false)),
            Err(Busy),
            "the first is not answered"
        );
        assert_eq!(inbox.recv(), Ok((1, false)));
        outbox.send(Some(late)).expect("it is taken");
        outbox.send(None).expect("it is taken");
        assert_eq!(thread.ask((3, false)), Ok(None));
        assert_eq!(inbox.recv(), Ok((3, false)));
    }
}
