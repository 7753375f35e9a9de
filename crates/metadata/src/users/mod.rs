//! Names of users and groups, of the host and of each container.
//!
//! The names of a container's users come from its own passwd and group files. The sensor reads the
//! files when it prepares the first event of the container, and checks them again every few
//! seconds. The root of a process is used only if the process is in the cgroup of the container:
//! the kernel may have given its number to another process.

mod open;
mod reader;
mod table;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

pub(super) use self::table::{Entry, Table};
use telemetry::Lookups;

use self::{
    open::Root,
    reader::{Job, Outcome, Reader, Reply, Stamps},
};
use super::{
    BoundedCache, ContainerState, Counters, IdMap,
    clock::{MILLISECOND, SECOND},
    counters::count,
};
use crate::ContainerId;

/// Text in place of an unknown name, as in Falco (a text and not null).
const UNKNOWN: &str = "<NA>";
/// Name of user 0 and group 0, whatever the files say.
const ROOT: &str = "root";
/// How often the sensor checks the files for changes.
const RECHECK: u64 = 5 * SECOND;
/// Pause before the next attempt to reach the root of a container.
const RETRY: u64 = 100 * MILLISECOND;
/// Pause before the next attempt to read files that were late.
const STALLED: u64 = 60 * SECOND;
/// Most containers whose names are in the cache.
const CONTAINERS_MAX: usize = 2048;
/// Most containers of a recording whose names are known at a time.
const RECORDED_MAX: usize = 1 << 20;

/// Where names are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersOptions {
    /// Where the host's proc is mounted. Default: `/proc`, which is the host's
    /// if the sensor shares its pid namespace.
    pub proc: PathBuf,
    /// Where the host's root is mounted, for its users (`HOST_ROOT`). Default: `/`.
    pub host_root: PathBuf,
    /// Longest time that the first event of a container waits for its names.
    /// Default: 50 ms.
    pub patience: Duration,
}

impl Default for UsersOptions {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            host_root: "/".into(),
            patience: Duration::from_millis(50),
        }
    }
}

/// Names of one root.
#[derive(Default)]
struct Names {
    stamps: Option<Stamps>,
    users: Table,
    groups: Table,
    uid_map: Box<[IdMap]>,
    gid_map: Box<[IdMap]>,
    /// Distinguishes containers with the same id, one after another.
    created: Option<u64>,
    /// Distinguishes the jobs for these names from earlier jobs for the same container.
    serial: u64,
    /// When to check the files again, in nanoseconds since boot.
    next: u64,
}

impl Names {
    /// Names whose files have not been read yet, with the next serial.
    fn unread(serial: &mut u64) -> Self {
        *serial += 1;
        Self {
            serial: *serial,
            ..Self::default()
        }
    }
}

/// Names of users and groups. The default value has only the names of root.
pub struct Users {
    options: UsersOptions,
    host: Names,
    containers: BoundedCache<ContainerId, Names>,
    /// The last [`Names::serial`] in use.
    serial: u64,
    reader: Option<Reader>,
    /// The host's root, see [`Root::Process`].
    hosts: Arc<[(u64, u64)]>,
    counters: Arc<Counters>,
}

impl Default for Users {
    fn default() -> Self {
        Self {
            options: UsersOptions::default(),
            host: Names::default(),
            containers: BoundedCache::new(CONTAINERS_MAX),
            serial: 0,
            reader: None,
            hosts: Arc::default(),
            counters: Arc::default(),
        }
    }
}

impl Users {
    /// Reads the names of the host.
    #[must_use]
    pub fn new(options: UsersOptions, counters: Arc<Counters>) -> Self {
        let hosts = open::identities(&[options.host_root.clone(), options.proc.join("1/root")]);
        let mut users = Self {
            hosts,
            options,
            reader: Some(Reader::new(Arc::clone(&counters))),
            counters,
            ..Self::default()
        };
        users.prepare(ContainerState::Host, 0, 0);
        users
    }

    /// Names that come from a recording alone, by [`Self::set_user`] and [`Self::set_group`].
    #[must_use]
    pub fn recorded() -> Self {
        Self {
            containers: BoundedCache::new(RECORDED_MAX),
            ..Self::default()
        }
    }

    /// Sets what is known of a user by its number in the initial user namespace: name, home directory
    /// and login shell; nothing if the user has no name.
    pub fn set_user(&mut self, container: Option<ContainerId>, uid: u32, texts: Option<[&str; 3]>) {
        self.recorded_names(container).users.set(uid, texts);
    }

    /// Sets the name of a group by its number in the initial user namespace.
    pub fn set_group(&mut self, container: Option<ContainerId>, gid: u32, name: Option<&str>) {
        let texts = name.map(|name| [name, "", ""]);
        self.recorded_names(container).groups.set(gid, texts);
    }

    fn recorded_names(&mut self, container: Option<ContainerId>) -> &mut Names {
        match container {
            None => &mut self.host,
            Some(id) => self.containers.touch_or_insert_with(id, Names::default),
        }
    }

    /// What is known of a user, see [`Self::set_user`].
    #[must_use]
    pub fn known_user(&self, container: Option<&ContainerId>, uid: u32) -> Option<[&str; 3]> {
        let user = self.user(container, uid)?;
        Some([&user.name, &user.home, &user.shell])
    }

    /// What is known of a group, see [`Self::set_group`].
    #[must_use]
    pub fn known_group(&self, container: Option<&ContainerId>, gid: u32) -> Option<&str> {
        Some(&self.group(container, gid)?.name)
    }

    /// The number of containers whose names are in the cache, and the look-ups.
    #[must_use]
    pub fn figures(&self) -> (usize, Lookups) {
        (self.containers.len(), self.containers.lookups())
    }

    /// Makes the names of an event's container ready, before it is evaluated.
    /// `pid` is the event's process, `now` in nanoseconds since boot. Usually
    /// this does nothing; for a new container it waits for the files, at most
    /// for [`UsersOptions::patience`].
    pub fn prepare(&mut self, container: ContainerState<'_>, pid: u32, now: u64) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        let (id, known) = match container {
            ContainerState::Host => (None, None),
            ContainerState::Unknown(id) => (Some(id), None),
            ContainerState::Known(container) => (Some(container.id), Some(container)),
        };
        while let Some(reply) = reader.ready() {
            self.take(reply, now);
        }
        let serial = &mut self.serial;
        let names = match id {
            None => &mut self.host,
            Some(id) => {
                self.containers.count(self.containers.peek(&id).is_some());
                self.containers
                    .touch_or_insert_with(id, || Names::unread(serial))
            }
        };
        if let Some(known) = known {
            if names.created.is_some() && names.created != known.created {
                *names = Names::unread(&mut self.serial);
            }
            if names.created.is_none() {
                names.created = known.created;
                names.uid_map.clone_from(&known.uid_map);
                names.gid_map.clone_from(&known.gid_map);
            }
        }
        if now >= names.next {
            names.next = now + RECHECK;
            let is_first = names.stamps.is_none();
            let job = Job {
                container: id,
                serial: names.serial,
                roots: match id {
                    None => vec![Root::Directory(self.options.host_root.clone())],
                    Some(id) => {
                        let pids = known.and_then(|c| c.init).into_iter().chain([pid]);
                        let rootfs = known.and_then(|c| c.rootfs.as_deref());
                        reader::roots(&self.options.proc, id, pids, rootfs, &self.hosts)
                    }
                },
                known: names.stamps,
            };
            if !reader.give(job) {
                count(&self.counters.users_stalled_total);
            } else if is_first {
                self.wait(&mut reader, id, now);
            }
        }
        self.reader = Some(reader);
    }

    /// Waits for the first reply about a container.
    fn wait(&mut self, reader: &mut Reader, id: Option<ContainerId>, now: u64) {
        let deadline = Instant::now() + self.options.patience;
        while let Some(reply) = reader.reply(deadline) {
            let container = reply.container;
            if self.take(reply, now) && container == id {
                return;
            }
        }
        count(&self.counters.users_stalled_total);
        if let Some(names) = self.names_mut(id) {
            names.next = now + STALLED;
        }
    }

    /// Takes a reply, unless the container is gone.
    fn take(&mut self, reply: Reply, now: u64) -> bool {
        let Some(names) = self.names_mut(reply.container) else {
            return false;
        };
        if names.serial != reply.serial {
            return false;
        }
        match reply.outcome {
            Outcome::Unchanged => names.next = now + RECHECK,
            // Names that were read once stay true for the events that still come.
            Outcome::Gone if names.stamps.is_some() => names.next = now + RECHECK,
            Outcome::Gone => names.next = now + RETRY,
            Outcome::Read(read) => {
                let (stamps, [users, groups]) = *read;
                names.stamps = Some(stamps);
                names.users = users;
                names.groups = groups;
                names.next = now + RECHECK;
            }
        }
        true
    }

    fn names_mut(&mut self, id: Option<ContainerId>) -> Option<&mut Names> {
        match id {
            None => Some(&mut self.host),
            Some(id) => self.containers.peek_mut(&id),
        }
    }

    fn names(&self, id: Option<&ContainerId>) -> Option<&Names> {
        match id {
            None => Some(&self.host),
            Some(id) => self.containers.peek(id),
        }
    }

    /// Name of a user by its number in the initial user namespace; `<NA>` if the user has no name.
    #[must_use]
    pub fn user_name(&self, container: Option<&ContainerId>, uid: u32) -> &str {
        if uid == 0 {
            return ROOT;
        }
        self.user(container, uid).map_or(UNKNOWN, |user| &user.name)
    }

    /// Home directory of a user, see [`Self::user_name`].
    #[must_use]
    pub fn home(&self, container: Option<&ContainerId>, uid: u32) -> &str {
        self.user(container, uid).map_or(UNKNOWN, |user| &user.home)
    }

    /// Login shell of a user, see [`Self::user_name`].
    #[must_use]
    pub fn shell(&self, container: Option<&ContainerId>, uid: u32) -> &str {
        self.user(container, uid)
            .map_or(UNKNOWN, |user| &user.shell)
    }

    fn user(&self, container: Option<&ContainerId>, uid: u32) -> Option<&Entry> {
        let names = self.names(container)?;
        names.users.get(inside(&names.uid_map, uid)?)
    }

    /// Name of a group, see [`Self::user_name`].
    #[must_use]
    pub fn group_name(&self, container: Option<&ContainerId>, gid: u32) -> &str {
        if gid == 0 {
            return ROOT;
        }
        self.group(container, gid)
            .map_or(UNKNOWN, |group| &group.name)
    }

    fn group(&self, container: Option<&ContainerId>, gid: u32) -> Option<&Entry> {
        let names = self.names(container)?;
        names.groups.get(inside(&names.gid_map, gid)?)
    }
}

/// The number that an id of the initial user namespace has in the container.
fn inside(map: &[IdMap], id: u32) -> Option<u32> {
    if map.is_empty() {
        return Some(id);
    }
    map.iter().find_map(|m| {
        let offset = id.checked_sub(m.host)?;
        (offset < m.size).then(|| m.container.checked_add(offset))?
    })
}

#[cfg(test)]
mod tests;
