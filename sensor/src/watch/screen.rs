//! The terminal: takes what comes, takes keys, draws, and leaves the terminal as it was.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};
use signal_hook::{consts::SIGINT, consts::SIGTERM, flag, low_level::unregister};

use super::{Row, View, draw::draw, keys::press};
use crate::sources::syscall::recording::{KindCounts, ThrottledFrame};

/// Longest time between a key and what the key does, and shortest between two drawings.
const FRAME: Duration = Duration::from_millis(50);

/// What a source of rows says.
#[derive(Debug)]
pub enum Fed {
    /// An event.
    Row(Box<Row>),
    /// The condition leaves an event out.
    LeftOut,
    /// A line is no event, for that reason.
    Unreadable(String),
    /// Events are missing, since nobody read them in time.
    Missing(u64),
    /// Kinds of events that somebody wants to see, and that the sensor does not capture.
    NotCaptured(Vec<String>),
    /// The counts of the sensor.
    Counts(Vec<KindCounts>),
    /// The throttled events of places.
    Throttled(Vec<ThrottledFrame>),
}

/// Shows what comes until somebody ends the view. The terminal is as before afterwards, also after
/// a panic and after SIGTERM.
///
/// # Errors
/// If the terminal cannot be read or written.
pub fn show(mut view: View, fed: &Receiver<Fed>) -> io::Result<()> {
    let stop = Arc::<AtomicBool>::default();
    let signals = [SIGTERM, SIGINT].map(|signal| flag::register(signal, Arc::clone(&stop)));
    let mut terminal = ratatui::try_init()?;
    let shown = until_stopped(&mut terminal, &mut view, fed, &stop);
    let restored = ratatui::try_restore();
    for signal in signals.into_iter().flatten() {
        unregister(signal);
    }
    shown.and(restored)
}

fn until_stopped(
    terminal: &mut DefaultTerminal,
    view: &mut View,
    fed: &Receiver<Fed>,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut second = Instant::now();
    let mut is_new = true;
    while !stop.load(Relaxed) {
        if second.elapsed() >= Duration::from_secs(1) {
            second = Instant::now();
            view.second();
            is_new = true;
        }
        if is_new {
            terminal.draw(|frame| draw(view, frame))?;
        }
        is_new = take(view, fed, Instant::now() + FRAME);
        while event::poll(Duration::ZERO)? {
            is_new = true;
            match event::read()? {
                Event::Key(key) if !press(view, key) => return Ok(()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Takes what comes until that time. Returns false if nothing has come.
fn take(view: &mut View, fed: &Receiver<Fed>, until: Instant) -> bool {
    let mut is_new = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match fed.recv_timeout(left) {
            Ok(fed) => view.take(fed),
            Err(RecvTimeoutError::Timeout) => return is_new,
            Err(RecvTimeoutError::Disconnected) => {
                is_new |= !view.ended;
                view.end();
                std::thread::sleep(left);
                return is_new;
            }
        }
        is_new = true;
        if left.is_zero() {
            return is_new;
        }
    }
}
