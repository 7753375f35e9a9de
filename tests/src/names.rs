//! A name server of the tests.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// What the server says about a name: its address, or nothing if it fails.
type Zone = Arc<Mutex<BTreeMap<String, Option<Ipv4Addr>>>>;

/// Locks a mutex, also after a panic of another test.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name server that knows one zone.
#[derive(Clone, Default)]
pub struct NameServer {
    zone: Zone,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// Gives a name an address; without one the server fails when it is asked for the name.
    pub fn set(&self, name: &str, address: Option<[u8; 4]>) {
        let address = address.map(Ipv4Addr::from);
        lock(&self.zone).insert(name.to_owned(), address);
    }

    /// How often somebody has asked for a name.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        let asked = lock(&self.asked);
        asked.iter().filter(|asked| *asked == name).count()
    }

    /// Answers at this address and port of the network namespace of the calling thread.
    ///
    /// # Panics
    /// If the machine refuses the port.
    pub fn start(&self, address: &str) {
        let socket = UdpSocket::bind(address).expect("the port of the name server is free");
        let server = self.clone();
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut query) {
                let _ = socket.send_to(&server.answer(&query[..len]), from);
            }
        });
    }

    /// The answer to a query of one question (RFC 1035, section 4).
    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let mut labels = Vec::new();
        let mut at = 12;
        while query[at] != 0 {
            let len = usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..=at + len]).to_lowercase());
            at += 1 + len;
        }
        let name = labels.join(".");
        let question = &query[12..at + 5];
        let is_a = question[question.len() - 4..] == [0, 1, 0, 1];
        if is_a {
            lock(&self.asked).push(name.clone());
        }
        let (code, address) = match lock(&self.zone).get(&name) {
            Some(Some(address)) => (0, is_a.then_some(*address)),
            Some(None) => (2, None), // the server fails
            None => (3, None),       // no such name
        };
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1, 0, address.is_some().into()]);
        answer.extend([0, 0, 0, 0]);
        answer.extend(question);
        if let Some(address) = address {
            // The name of the question, type A, class IN, valid for 1 s.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
            answer.extend(address.octets());
        }
        answer
    }
}
