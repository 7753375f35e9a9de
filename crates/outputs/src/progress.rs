//! How far the outputs are with the lines of a producer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// How far the outputs are with the lines of a producer that knows where it is, as in a file that
/// it reads: who starts again behind a position that is done misses no line.
///
/// A position is *done* when each output has written its lines (a file: as safely as
/// `sensor.file_output.sync` asks for), has spooled them to the disk, or has counted them as
/// dropped, and all positions before it are done. Lines in the hands of an output that was left
/// behind at a stop are never done.
///
/// [`Outputs::track`](super::Outputs::track) makes one; all clones are about the same producer.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The last position whose lines were added.
    added: Option<u64>,
    /// Batches that were handed out, in order; the oldest one is not done.
    batches: VecDeque<Pending>,
    /// Number of the first batch in `pending`.
    first: u64,
    done: Option<u64>,
}

/// A batch that was handed out.
#[derive(Debug)]
struct Pending {
    /// The position that is done when this batch and all batches before it are done.
    position: Option<u64>,
    done: bool,
}

impl Progress {
    /// All lines up to that position were added to the outputs, or the position has none. Positions
    /// ascend. The producer calls this between the lines of one position and those of the next one.
    pub fn reached(&self, position: u64) {
        let mut state = self.lock();
        state.added = state.added.max(Some(position));
    }

    /// The highest position that is done; none before the first one is.
    #[must_use]
    pub fn done(&self) -> Option<u64> {
        self.lock().done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The added lines were handed out as a batch; returns its number.
    fn hand_out(&self) -> u64 {
        let mut state = self.lock();
        let position = state.added;
        state.batches.push_back(Pending {
            position,
            done: false,
        });
        state.first + state.batches.len() as u64 - 1
    }

    /// The positions since the last batch have no lines.
    fn pass(&self) {
        let mut state = self.lock();
        let position = state.added;
        match state.batches.back_mut() {
            Some(last) => last.position = position,
            None => state.done = position,
        }
    }

    /// All outputs are done with the batch of that number.
    fn finish(&self, number: u64) {
        let mut state = self.lock();
        let index = number.checked_sub(state.first);
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(batch) = index.and_then(|index| state.batches.get_mut(index)) {
            batch.done = true;
        }
        while let Some(batch) = state.batches.pop_front_if(|batch| batch.done) {
            state.first += 1;
            state.done = batch.position;
        }
    }
}

/// The producers whose lines are in a batch; each copy of the batch has this receipt. When the last
/// copy is dropped, all outputs are done with the batch.
#[derive(Debug)]
pub(super) struct Receipt(Vec<(Progress, u64)>);

impl Drop for Receipt {
    fn drop(&mut self) {
        for (progress, number) in &self.0 {
            progress.finish(*number);
        }
    }
}

/// The producers that are to know how far the outputs are.
#[derive(Debug, Default)]
pub(super) struct Producers(Vec<Weak<Mutex<State>>>);

impl Producers {
    /// Adds a producer; a producer that drops its handle leaves nothing behind.
    pub(super) fn track(&mut self) -> Progress {
        let progress = Progress::default();
        self.0.push(Arc::downgrade(&progress.0));
        progress
    }

    /// A receipt for a batch with all lines that were added; none if there is no producer.
    pub(super) fn receipt(&mut self) -> Option<Arc<Receipt>> {
        let batches = self.alive().map(|progress| {
            let number = progress.hand_out();
            (progress, number)
        });
        let receipts: Vec<_> = batches.collect();
        (!receipts.is_empty()).then(|| Arc::new(Receipt(receipts)))
    }

    /// The positions since the last batch have no lines, for every producer.
    pub(super) fn pass(&mut self) {
        self.alive().for_each(|progress| progress.pass());
    }

    fn alive(&mut self) -> impl Iterator<Item = Progress> {
        self.0.retain(|producer| producer.strong_count() > 0);
        self.0.iter().filter_map(Weak::upgrade).map(Progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_done_when_the_last_copy_of_its_batch_is_gone() {
        let mut producers = Producers::default();
        let progress = producers.track();
        progress.reached(7);
        let receipt = producers.receipt().unwrap();
        let copy = Arc::clone(&receipt);
        drop(receipt);
        assert_eq!(progress.done(), None);
        drop(copy);
        assert_eq!(progress.done(), Some(7));
    }

    #[test]
    fn no_position_is_done_before_those_before_it() {
        let mut producers = Producers::default();
        let progress = producers.track();
        let receipts: Vec<_> = (1..=3)
            .map(|position| {
                progress.reached(position);
                producers.receipt().unwrap()
            })
            .collect();
        let [first, second, third] = receipts.try_into().unwrap();
        drop(second);
        assert_eq!(progress.done(), None);
        drop(first);
        assert_eq!(progress.done(), Some(2));
        drop(third);
        assert_eq!(progress.done(), Some(3));
    }

    #[test]
    fn a_position_whose_lines_are_in_two_batches_is_done_with_the_second() {
        let mut producers = Producers::default();
        let progress = producers.track();
        progress.reached(1);
        // Some lines of position 2 are in the first batch.
        let first = producers.receipt();
        progress.reached(2);
        let second = producers.receipt();
        drop(first);
        assert_eq!(progress.done(), Some(1));
        drop(second);
        assert_eq!(progress.done(), Some(2));
    }

    #[test]
    fn positions_without_lines_are_done_with_what_is_before_them() {
        let mut producers = Producers::default();
        let progress = producers.track();
        progress.reached(1);
        producers.pass();
        assert_eq!(progress.done(), Some(1));
        progress.reached(2);
        let receipt = producers.receipt();
        progress.reached(3);
        producers.pass();
        assert_eq!(progress.done(), Some(1));
        drop(receipt);
        assert_eq!(progress.done(), Some(3));
    }

    #[test]
    fn nothing_is_kept_where_nobody_asks() {
        let mut producers = Producers::default();
        assert!(producers.receipt().is_none());
        let progress = producers.track();
        drop(producers.receipt());
        drop(progress);
        assert!(producers.receipt().is_none());
        assert!(producers.0.is_empty());
    }
}
