//! One connection to a containerd.

use std::{
    path::PathBuf,
    sync::{Mutex, OnceLock},
};

use containerd_client::{
    events::{ContainerCreate, ContainerDelete, ContainerUpdate, TaskCreate},
    services::v1::{SubscribeRequest, events_client::EventsClient},
    tonic::{Response, Streaming, transport::Channel},
    types::Envelope,
};
use futures::{FutureExt, future::BoxFuture};
use prost::Message;
use prost_types::{Any, Timestamp};

use crate::{
    BoundedCache, ContainerId,
    caches::{Origin, Update},
    clock::{boot_at, boot_now},
    runtime::{Api, Done, Error, Task},
};

/// Largest message: a container's specification is tens of kilobytes.
pub(super) const MESSAGE_MAX: usize = 16 << 20;
/// Most digests of images that a connection keeps.
const IMAGES_MAX: usize = 512;
/// A connection.
pub(crate) struct Session<'a> {
    pub(super) task: &'a Task,
    pub(super) channel: Channel,
    /// The directory of bundles, once it is known.
    pub(super) bundles: OnceLock<PathBuf>,
    /// Digests by image id; the digest of an id never changes.
    pub(super) digests: Mutex<BoundedCache<String, Option<Box<str>>>>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(task: &'a Task, channel: Channel) -> Self {
        Self {
            task,
            channel,
            bundles: OnceLock::new(),
            digests: Mutex::new(BoundedCache::new(IMAGES_MAX)),
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

    /// The numbers of the namespaces.
    pub(super) fn namespaces(&self) -> std::ops::Range<u8> {
        0..u8::try_from(self.task.options.namespaces.len()).unwrap_or(u8::MAX)
    }
}

impl Api for Session<'_> {
    type Stream = Streaming<Envelope>;
    type Event = Envelope;

    fn task(&self) -> &Task {
        self.task
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
            Some(
                async move { Done::Announced(self.find_in(namespace, id).await.map(|_| ())) }
                    .boxed(),
            )
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

    async fn next(stream: &mut Self::Stream) -> Result<Envelope, Error> {
        match stream.message().await {
            Ok(Some(envelope)) => Ok(envelope),
            Ok(None) => Err(Error::StreamEnded),
            Err(status) => Err(Error::rpc("event stream")(status)),
        }
    }

    async fn list(&self, epoch: u32) -> Result<usize, Error> {
        self.list_all(epoch).await
    }

    async fn find(&self, id: ContainerId) -> Result<bool, Error> {
        self.find_anywhere(id).await
    }

    fn after_snapshot(&self) -> Option<BoxFuture<'_, Done>> {
        Some(self.tasks().boxed())
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
