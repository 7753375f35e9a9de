//! A unix socket in front of another one that can be made to stall.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// The proxy; it ends with the test.
pub struct Proxy {
    path: PathBuf,
    stalled: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens at `path` and forwards to `target`.
    ///
    /// # Panics
    /// If it cannot listen there.
    #[must_use]
    pub fn start(path: &Path, target: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("proxy listens");
        let stalled = Arc::new(AtomicBool::new(false));
        let (flag, target) = (Arc::clone(&stalled), target.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&target) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
                        continue;
                    };
                    let flag = Arc::clone(&flag);
                    thread::spawn(move || forward(from, to, &flag));
                }
            }
        });
        Self {
            path: path.to_owned(),
            stalled,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until it lets everything through again.
    pub fn wait_until_bytes_flow(&self) {
        while self.stalled.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets nothing through, for some time.
    pub fn stall(&self, time: Duration) {
        self.stalled.store(true, Ordering::SeqCst);
        let flag = Arc::clone(&self.stalled);
        thread::spawn(move || {
            thread::sleep(time);
            flag.store(false, Ordering::SeqCst);
        });
    }
}

fn forward(mut from: UnixStream, mut to: UnixStream, stalled: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = from.read(&mut buffer) {
        while stalled.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(2));
        }
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
