//! Starts everything that talks to container runtimes and to the API server.

use std::{
    io,
    sync::{Arc, atomic::AtomicU32},
};

use rustc_hash::FxHashSet;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};

use super::{
    Counters, Health, Metadata, MetadataOptions, Notify, RuntimeOptions, RuntimeSocket,
    SOCKETS_MAX, caches::Updates, kube, runtime,
};

/// The running tasks; dropping this value ends them.
#[derive(Debug)]
pub struct MetadataTasks {
    health: Arc<Health>,
    running: Vec<AbortHandle>,
}

impl MetadataTasks {
    /// The state of the tasks, for readiness.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }
}

impl Drop for MetadataTasks {
    fn drop(&mut self) {
        for task in &self.running {
            task.abort();
        }
    }
}

/// Starts the tasks on a runtime. The caller gives [`Metadata`] to the capture thread.
///
/// # Errors
/// If no event file descriptor can be made.
pub fn start(
    options: MetadataOptions,
    handle: &Handle,
    counters: &Arc<Counters>,
    notify: Notify,
) -> io::Result<(Metadata, MetadataTasks)> {
    let MetadataOptions {
        runtimes,
        kube: kube_options,
        cache,
    } = options;
    let (updates, inbox) = Updates::channel()?;
    let sockets = sockets(&runtimes);
    let health = Arc::new(Health::new(&sockets, kube_options.enabled, notify));
    let runtimes = Arc::new(runtimes);
    let mut senders = Vec::new();
    let mut running = Vec::new();
    for (source, socket) in (0..).zip(sockets) {
        let (sender, questions) = mpsc::channel(runtime::QUESTIONS);
        senders.push(sender);
        let task = runtime::Task {
            source,
            engine: socket.engine,
            socket: socket.path,
            options: Arc::clone(&runtimes),
            updates: updates.clone(),
            counters: Arc::clone(counters),
            health: Arc::clone(&health),
            epoch: AtomicU32::new(0),
        };
        running.push(handle.spawn(runtime::run(task, questions)));
    }
    let with_server = kube_options.enabled;
    if kube_options.enabled {
        let task = kube::Task {
            source: u8::try_from(senders.len()).unwrap_or(u8::MAX),
            options: kube_options,
            updates,
            counters: Arc::clone(counters),
            health: Arc::clone(&health),
        };
        running.push(handle.spawn(kube::run(task)));
    }
    let metadata = Metadata::new(cache, senders, with_server, inbox, Arc::clone(counters));
    let running = running.iter().map(JoinHandle::abort_handle).collect();
    Ok((metadata, MetadataTasks { health, running }))
}

/// The sockets that the tasks use: the configured ones, under the host's root, each path once.
fn sockets(options: &RuntimeOptions) -> Vec<RuntimeSocket> {
    let root = options.host_root.as_deref();
    let placed = options.sockets.iter().map(|socket| RuntimeSocket {
        path: runtime::below(root, &socket.path),
        ..socket.clone()
    });
    let mut seen = FxHashSet::default();
    placed
        .filter(|socket| seen.insert(socket.path.clone()))
        .take(SOCKETS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    #[test]
    fn each_path_is_used_once_below_the_hosts_root() {
        let options = RuntimeOptions {
            host_root: Some("/host".into()),
            sockets: vec![
                RuntimeSocket::required(Engine::Docker, "/var/run/docker.sock"),
                RuntimeSocket::required(Engine::Docker, "/run/docker.sock"),
                RuntimeSocket::required(Engine::Cri, "/run/crio/crio.sock"),
            ],
            ..RuntimeOptions::default()
        };
        let found: Vec<_> = sockets(&options).into_iter().map(|s| s.path).collect();
        let expected = ["/host/run/docker.sock", "/host/run/crio/crio.sock"];
        assert_eq!(found, expected.map(std::path::PathBuf::from));
    }

    #[test]
    fn the_known_sockets_are_no_more_than_the_sensor_can_use() {
        assert!(sockets(&RuntimeOptions::default()).len() < SOCKETS_MAX - 8);
    }
}
