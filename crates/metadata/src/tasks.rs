//! Starts everything that talks to containerd and to the API server.

use std::{io, sync::Arc};

use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};

use super::{
    Counters, Health, Metadata, MetadataOptions, Notify, caches::Updates, containerd, kube,
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
    runtime: &Handle,
    counters: &Arc<Counters>,
    notify: Notify,
) -> io::Result<(Metadata, MetadataTasks)> {
    let MetadataOptions {
        containerd: containerd_options,
        kube: kube_options,
        cache,
    } = options;
    let (updates, inbox) = Updates::channel()?;
    let sockets = if containerd_options.enabled {
        containerd::sockets(&containerd_options)
    } else {
        Vec::new()
    };
    let health = Arc::new(Health::new(&sockets, kube_options.enabled, notify));
    let containerd_options = Arc::new(containerd_options);
    let mut senders = Vec::new();
    let mut running = Vec::new();
    for (source, socket) in (0..).zip(sockets) {
        let (sender, questions) = mpsc::channel(containerd::QUESTIONS);
        senders.push(sender);
        let task = containerd::Task {
            source,
            socket,
            options: Arc::clone(&containerd_options),
            updates: updates.clone(),
            counters: Arc::clone(counters),
            health: Arc::clone(&health),
        };
        running.push(runtime.spawn(containerd::run(task, questions)));
    }
    if kube_options.enabled {
        let task = kube::Task {
            options: kube_options,
            updates,
            counters: Arc::clone(counters),
            health: Arc::clone(&health),
        };
        running.push(runtime.spawn(kube::run(task)));
    }
    let metadata = Metadata::new(cache, senders, inbox, Arc::clone(counters));
    let running = running.iter().map(JoinHandle::abort_handle).collect();
    Ok((metadata, MetadataTasks { health, running }))
}
