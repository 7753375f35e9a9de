//! Addresses of the domain names that rules mention.
//!
//! Rules compare a connection's address with a name (`fd.sip.name`). No reverse look-up answers that:
//! whoever owns an address chooses its name. So the sensor resolves the names of the rules, by the
//! system's resolver, and compares addresses. Threads of their own ask the resolver, since it can
//! wait for seconds; events never wait for an answer.

mod resolver;
mod schedule;

use std::{net::IpAddr, sync::mpsc};

use rustc_hash::FxHashMap;

pub use self::resolver::Resolver;

/// The names of each address, sorted.
type Names = FxHashMap<IpAddr, Box<[Box<str>]>>;

/// The names of addresses, which the capture thread owns. The default value has no name.
#[derive(Debug, Default)]
pub struct Domains {
    names: Names,
    updates: Option<mpsc::Receiver<Names>>,
}

impl Domains {
    fn new(updates: mpsc::Receiver<Names>) -> Self {
        Self {
            names: Names::default(),
            updates: Some(updates),
        }
    }

    /// Names that do not change.
    #[must_use]
    pub fn fixed(names: impl IntoIterator<Item = (IpAddr, Vec<Box<str>>)>) -> Self {
        let names = names.into_iter().map(|(ip, names)| (ip, names.into()));
        Self {
            names: names.collect(),
            updates: None,
        }
    }

    /// Sets the names of an address.
    pub fn set(&mut self, address: IpAddr, names: Box<[Box<str>]>) {
        self.names.insert(address, names);
    }

    /// Takes over what the resolver has found.
    pub fn update(&mut self) {
        if let Some(latest) = self
            .updates
            .iter()
            .flat_map(mpsc::Receiver::try_iter)
            .last()
        {
            self.names = latest;
        }
    }

    /// The names of rules that have this address.
    #[must_use]
    pub fn names(&self, address: IpAddr) -> &[Box<str>] {
        self.names.get(&address).map_or(&[], |names| names)
    }
}
