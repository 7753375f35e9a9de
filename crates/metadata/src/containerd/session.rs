//! One connection to a containerd.

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{Mutex, OnceLock, atomic::AtomicU32},
    time::Duration,
};

use containerd_client::{
    events::{ContainerCreate, ContainerDelete, ContainerUpdate, TaskCreate},
    services::v1::{SubscribeRequest, events_client::EventsClient},
    tonic::{Response, Streaming, transport::Channel},
    types::Envelope,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use prost::Message;
use prost_types::{Any, Timestamp};
use rustc_hash::FxHashSet;
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at},
};

use super::{Error, Socket, Task};
use crate::{
    BoundedCache, ContainerId, Notice, RuntimeState,
    caches::{Origin, Update},
    clock::{boot_at, boot_now},
    counters::count,
};

/// Most questions at a time.
const CONCURRENT: usize = 64;
/// Largest message: a container's specification is tens of kilobytes.
pub(super) const MESSAGE_MAX: usize = 16 << 20;
/// Most digests of images that a connection keeps.
const IMAGES_MAX: usize = 512;
/// How often the task checks whether the socket is still the same file.
const CHECK: Duration = Duration::from_secs(2);
/// The result of a finished question.
pub(super) enum Done {
    /// The question of an event that waits; whether containerd knows the container.
    Asked(ContainerId, Result<bool, Error>),
    /// A container that containerd announced in an event of its own.
    Announced(Result<(), Error>),
    /// The snapshot of all containers; how many there were.
    Snapshot(Result<usize, Error>),
}

/// A connection.
pub(super) struct Session<'a> {
    pub(super) task: &'a Task,
    pub(super) channel: Channel,
    /// Number of the snapshot, counted over all connections.
    pub(super) epoch: &'a AtomicU32,
    /// The directory of bundles, once it is known.
    pub(super) bundles: OnceLock<PathBuf>,
    /// Digests by image id; the digest of an id never changes.
    pub(super) digests: Mutex<BoundedCache<String, Option<Box<str>>>>,
}

impl<'a> Session<'a> {
    pub(super) fn new(task: &'a Task, channel: Channel, epoch: &'a AtomicU32) -> Self {
        Self {
            task,
            channel,
            epoch,
            bundles: OnceLock::new(),
            digests: Mutex::new(BoundedCache::new(IMAGES_MAX)),
        }
    }

    /// Serves until the connection ends; returns why, and whether the connection was ever ready.
    pub(super) async fn run(
        &self,
        socket: &Socket,
        questions: &mut mpsc::Receiver<ContainerId>,
        outstanding: &mut FxHashSet<ContainerId>,
    ) -> (Error, bool) {
        let mut ready = false;
        let error = match self.serve(socket, questions, outstanding, &mut ready).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        (error, ready)
    }

    async fn serve(
        &self,
        socket: &Socket,
        questions: &mut mpsc::Receiver<ContainerId>,
        outstanding: &mut FxHashSet<ContainerId>,
        ready: &mut bool,
    ) -> Result<Infallible, Error> {
        // containerd sends the head of its answer with the first event, so the work until then must
        // not wait for the head.
        let mut subscribing = std::pin::pin!(self.subscribe());
        let mut events = None;
        let mut work: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        work.push(self.snapshot().boxed());
        for id in outstanding.iter() {
            work.push(self.answer(*id).boxed());
        }
        let mut check = interval_at(Instant::now() + CHECK, CHECK);
        let mut checks = 0u32;
        loop {
            tokio::select! {
                stream = &mut subscribing, if events.is_none() => events = Some(stream?),
                event = next(events.as_mut()), if events.is_some() && work.len() < 4 * CONCURRENT => {
                    count(&self.task.counters.containerd_events_total);
                    if let Some(question) = self.event(event?).await {
                        work.push(question);
                    }
                }
                Some(done) = work.next(), if !work.is_empty() => {
                    if let Some(again) = self.done(done, outstanding, ready, socket).await? {
                        work.push(again);
                    }
                }
                Some(id) = questions.recv(), if work.len() < CONCURRENT => {
                    if outstanding.insert(id) {
                        work.push(self.answer(id).boxed());
                    }
                }
                _ = check.tick() => {
                    checks += 1;
                    if checks == 1 {
                        // Containers that came and went between the first snapshot and the
                        // subscription.
                        work.push(self.snapshot().boxed());
                    }
                    if self.task.updates.is_closed() {
                        return Err(Error::StreamEnded);
                    }
                    if socket.was_replaced() {
                        return Err(Error::Replaced);
                    }
                }
            }
        }
    }

    /// Handles a finished question; returns what the task must ask again.
    async fn done<'s>(
        &'s self,
        done: Done,
        outstanding: &mut FxHashSet<ContainerId>,
        ready: &mut bool,
        socket: &Socket,
    ) -> Result<Option<BoxFuture<'s, Done>>, Error> {
        let source = self.task.source;
        match done {
            Done::Asked(id, Ok(found)) => {
                outstanding.remove(&id);
                if !found {
                    self.task.updates.send(Update::Missing { source, id }).await;
                }
            }
            Done::Asked(id, Err(Error::Timeout(_))) => {
                count(&self.task.counters.containerd_lookup_failures_total);
                return Ok(Some(self.answer(id).boxed()));
            }
            Done::Announced(Err(Error::Timeout(_))) => {
                count(&self.task.counters.containerd_lookup_failures_total);
            }
            Done::Asked(_, Err(error)) | Done::Announced(Err(error)) => {
                count(&self.task.counters.containerd_lookup_failures_total);
                return Err(error);
            }
            Done::Announced(Ok(())) => {}
            Done::Snapshot(containers) => {
                let containers = containers?;
                if !*ready {
                    *ready = true;
                    self.task.updates.send(Update::SourceUp { source }).await;
                    self.task
                        .health
                        .set_runtime(source, RuntimeState::Connected);
                    self.task.health.notice(Notice::ContainerdUp {
                        socket: socket.path().to_owned(),
                        containers,
                    });
                    return Ok(Some(self.tasks().boxed()));
                }
            }
        }
        Ok(None)
    }

    async fn subscribe(&self) -> Result<Streaming<Envelope>, Error> {
        let topics = [
            "/containers/create",
            "/containers/update",
            "/containers/delete",
            "/tasks/create",
        ];
        let filters = topics.map(|topic| format!("topic==\"{topic}\"")).to_vec();
        EventsClient::new(self.channel.clone())
            .subscribe(SubscribeRequest { filters })
            .await
            .map(Response::into_inner)
            .map_err(Error::rpc("Events.Subscribe"))
    }

    /// Handles an event of containerd; returns the question that follows from the event.
    async fn event(&self, envelope: Envelope) -> Option<BoxFuture<'_, Done>> {
        let namespaces = &self.task.options.namespaces;
        let namespace = namespaces.iter().position(|n| *n == envelope.namespace)?;
        let namespace = u8::try_from(namespace).ok()?;
        let origin = self.origin(namespace);
        let body = envelope.event?;
        let lookup = |id: &str| {
            let id = ContainerId::new(id.as_bytes())?;
            Some(async move { Done::Announced(self.find(namespace, id).await.map(|_| ())) }.boxed())
        };
        match envelope.topic.as_str() {
            "/containers/create" => lookup(&body_of::<ContainerCreate>(&body)?.id),
            "/containers/update" => lookup(&body_of::<ContainerUpdate>(&body)?.id),
            "/containers/delete" => {
                let id = ContainerId::new(body_of::<ContainerDelete>(&body)?.id.as_bytes())?;
                let at = envelope
                    .timestamp
                    .map_or_else(boot_now, |t| boot_at(nanoseconds(&t)));
                let update = Update::Gone { origin, id, at };
                self.task.updates.send(update).await;
                None
            }
            "/tasks/create" => {
                let task = body_of::<TaskCreate>(&body)?;
                let id = ContainerId::new(task.container_id.as_bytes())?;
                let init = Some(task.pid);
                let update = Update::Task { origin, id, init };
                self.task.updates.send(update).await;
                None
            }
            _ => None,
        }
    }

    pub(super) fn origin(&self, namespace: u8) -> Origin {
        Origin {
            source: self.task.source,
            namespace,
        }
    }

    pub(super) fn namespace(&self, namespace: u8) -> &str {
        &self.task.options.namespaces[usize::from(namespace)]
    }
}

async fn next(stream: Option<&mut Streaming<Envelope>>) -> Result<Envelope, Error> {
    let Some(stream) = stream else {
        return std::future::pending().await;
    };
    match stream.message().await {
        Ok(Some(envelope)) => Ok(envelope),
        Ok(None) => Err(Error::StreamEnded),
        Err(status) => Err(Error::rpc("event stream")(status)),
    }
}

/// An event's body: containerd names its types without the slash that protobuf asks for.
fn body_of<T: Message + Default>(body: &Any) -> Option<T> {
    T::decode(&*body.value).ok()
}

fn nanoseconds(time: &Timestamp) -> u64 {
    let seconds = u64::try_from(time.seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + u64::try_from(time.nanos).unwrap_or(0)
}
