//! Turns signals into requests.

use std::{io, thread::JoinHandle};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1},
    iterator::{Handle, Signals as Iterator},
};

/// What a signal, or another sensor, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `TERM` or `INT`: drain and stop.
    Stop,
    /// `HUP`: read configuration and rules again.
    Reload,
    /// `USR1`: open output files again.
    Reopen,
    /// Another sensor asks to take over.
    HandOver,
}

/// The thread that turns signals into requests. Dropping the value ends the thread.
#[derive(Debug)]
pub struct Signals {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Signals {
    /// Starts a thread that passes each request to `receive`, until `receive` returns false.
    ///
    /// # Errors
    /// If the signal handlers or the thread cannot be set up.
    pub fn listen(mut receive: impl FnMut(Request) -> bool + Send + 'static) -> io::Result<Self> {
        let mut signals = Iterator::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in &mut signals {
                    let request = match signal {
                        SIGHUP => Request::Reload,
                        SIGUSR1 => Request::Reopen,
                        _ => Request::Stop,
                    };
                    if !receive(request) {
                        return;
                    }
                }
            })?;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // The panic hook has logged a panic of that thread.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn signals_become_requests() {
        let (sender, receiver) = mpsc::channel();
        let signals = Signals::listen(move |request| sender.send(request).is_ok()).unwrap();
        for (signal, request) in [
            (SIGUSR1, Request::Reopen),
            (SIGHUP, Request::Reload),
            (SIGTERM, Request::Stop),
        ] {
            signal_hook::low_level::raise(signal).unwrap();
            assert_eq!(receiver.recv(), Ok(request));
        }
        drop(signals);
        assert!(receiver.recv().is_err());
    }
}
