//! Containers from the API of Docker, which Podman has too.
//!
//! The event of a container's creation already has its name, image and labels, and comes before the
//! container's first process: so a container is known that ends before the runtime answers. Docker
//! answers no question about a container while the container is being started.

mod api;
mod describe;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture, stream};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use self::{
    api::{Client, Lines},
    describe::{ContainerObject, EventObject, ImageObject, ListedContainer},
};
use crate::{
    BoundedCache, Container, ContainerId, Counters, Engine,
    caches::{Detail, Origin, Update},
    clock::boot_at,
    counters::count,
    runtime::{Api, Done, Error, Socket, Task, below},
};

/// Most images whose names a connection keeps.
const IMAGES_MAX: usize = 512;
/// Most containers of a list that are asked for at a time.
const CONCURRENT: usize = 16;
/// How long a connection keeps the names of an image: a tag can move to another image.
const IMAGE_AGE: Duration = Duration::from_mins(1);
/// Events from so long before a connection count too.
const EVENTS_BEFORE: Duration = Duration::from_secs(10);
/// The events of containers that the sensor asks for: `{"type":["container"],"event":["create",
/// "start","destroy","remove"]}`, percent-encoded. Podman says `remove`, Docker `destroy`.
const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%22destroy%22%2C%22remove%22%5D%7D";

/// A container that is gone can have been created so long before somebody asks.
const CREATED_BEFORE: Duration = Duration::from_mins(10);

/// The names of an image, and when the runtime gave them.
struct KnownImage {
    names: ImageObject,
    asked: Instant,
}

/// The container that bytes describe.
pub(crate) fn container(json: &[u8], counters: &Counters) -> Option<Container> {
    let object: ContainerObject = serde_json::from_slice(json).ok()?;
    object.describe(Engine::Docker.name(), None, counters)
}

/// The container that an event describes.
pub(crate) fn event(json: &[u8], counters: &Counters) -> Option<Container> {
    let event: EventObject = serde_json::from_slice(json).ok()?;
    let id = ContainerId::new(event.id().as_bytes())?;
    Some(event.describe(id, Engine::Docker.name(), counters))
}

/// A connection.
pub(crate) struct Session<'a> {
    task: &'a Task,
    client: Client,
    images: Mutex<BoundedCache<Box<str>, KnownImage>>,
}

impl<'a> Session<'a> {
    /// Connects to a runtime that answers.
    pub(crate) async fn new(task: &'a Task, socket: &Socket) -> Result<Self, Error> {
        let client = Client::new(socket.path().to_owned(), task.options.timeout);
        let _: Option<serde::de::IgnoredAny> = client.get("the version", "/version").await?;
        Ok(Self {
            task,
            client,
            images: Mutex::new(BoundedCache::new(IMAGES_MAX)),
        })
    }

    fn origin(&self) -> Origin {
        Origin {
            source: self.task.source,
            namespace: 0,
        }
    }

    /// Asks for a container and sends it; returns whether there is one.
    async fn look_up(&self, id: ContainerId, epoch: u32) -> Result<bool, Error> {
        let path = format!("/containers/{}/json", id.full());
        let Some(object) = self.object::<ContainerObject>("a container", &path).await? else {
            return Ok(false);
        };
        let image = self.image(object.image_id()).await?;
        let Some(mut container) =
            object.describe(self.task.engine.name(), image, &self.task.counters)
        else {
            count(&self.task.counters.runtime_invalid_total);
            return Ok(false);
        };
        if let Some(rootfs) = container.rootfs.take() {
            let rootfs = below(self.task.options.host_root.as_deref(), Path::new(&*rootfs));
            container.rootfs = rootfs.to_str().map(Into::into);
        }
        let update = Update::whole(self.origin(), epoch, container);
        self.task.updates.send(update).await;
        Ok(true)
    }

    /// Looks for the creation of a container that is gone among the runtime's past events, and sends
    /// what the event says; returns whether there is one. The container can have come and gone while
    /// nobody listened.
    async fn look_back(&self, id: ContainerId, epoch: u32) -> Result<bool, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let until = now.unwrap_or_default();
        let since = until.saturating_sub(CREATED_BEFORE).as_secs();
        let path = format!(
            "/events?filters=%7B%22container%22%3A%5B%22{}%22%5D%2C%22event%22%3A%5B%22create%22%5D%7D&since={since}&until={}.{:09}",
            id.full(),
            until.as_secs(),
            until.subsec_nanos(),
        );
        let events = async {
            let mut lines = match self.client.lines("past events", &path).await {
                Err(Error::Refused { .. }) => return Ok(None),
                opened => opened?,
            };
            loop {
                let line = match lines.next().await {
                    Err(Error::StreamEnded) => return Ok(None),
                    line => line?,
                };
                let event = serde_json::from_slice::<EventObject>(&line);
                if let Ok(event) = event
                    && event.is_creation()
                    && event.id() == id.full()
                {
                    return Ok(Some(event));
                }
            }
        };
        let found = timeout(self.task.options.timeout, events);
        let Some(event) = found.await.unwrap_or(Err(Error::Timeout("past events")))? else {
            return Ok(false);
        };
        self.announce(&event, id, epoch).await;
        Ok(true)
    }

    /// Sends what the event of a container's creation says.
    async fn announce(&self, event: &EventObject, id: ContainerId, epoch: u32) {
        let container = event.describe(id, self.task.engine.name(), &self.task.counters);
        let update = Update::Container {
            origin: self.origin(),
            detail: Detail::Names,
            epoch,
            created: boot_at(event.time()),
            container: Box::new(container),
        };
        self.task.updates.send(update).await;
    }

    /// Reads one object; none if the runtime does not have it, or refuses this one.
    async fn object<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<Option<T>, Error> {
        match self.client.get(what, path).await {
            Err(Error::Refused { .. }) => {
                count(&self.task.counters.runtime_lookup_failures_total);
                Ok(None)
            }
            answer => answer,
        }
    }

    /// The names of an image.
    async fn image(&self, id: &str) -> Result<Option<ImageObject>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.images().get(id)
            && known.asked.elapsed() < IMAGE_AGE
        {
            return Ok(Some(known.names.clone()));
        }
        let path = format!("/images/{id}/json");
        let found: Option<ImageObject> = self.object("an image", &path).await?;
        if let Some(names) = &found {
            let known = KnownImage {
                names: names.clone(),
                asked: Instant::now(),
            };
            self.images().insert(id.into(), known);
        }
        Ok(found)
    }

    fn images(&self) -> MutexGuard<'_, BoundedCache<Box<str>, KnownImage>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epoch(&self) -> u32 {
        self.task.epoch.load(Ordering::Relaxed)
    }
}

impl Api for Session<'_> {
    type Stream = Lines;
    type Event = Bytes;

    fn task(&self) -> &Task {
        self.task
    }

    async fn subscribe(&self) -> Result<Lines, Error> {
        // Also those of the last seconds: a container can have come and gone while the runtime's
        // service restarted.
        let before = SystemTime::now().checked_sub(EVENTS_BEFORE);
        let since = before.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let since = since.unwrap_or_default().as_secs();
        let path = format!("{EVENTS}&since={since}");
        self.client.lines("the events", &path).await
    }

    async fn next(stream: &mut Lines) -> Result<Bytes, Error> {
        stream.next().await
    }

    async fn event(&self, event: Bytes) -> Option<BoxFuture<'_, Done>> {
        let event: EventObject = if let Ok(event) = serde_json::from_slice(&event) {
            event
        } else {
            count(&self.task.counters.runtime_invalid_total);
            return None;
        };
        let id = ContainerId::new(event.id().as_bytes())?;
        let at = boot_at(event.time());
        if event.is_end() {
            let origin = self.origin();
            let update = Update::Gone { origin, id, at };
            self.task.updates.send(update).await;
            return None;
        }
        if event.is_creation() {
            self.announce(&event, id, self.epoch()).await;
        }
        Some(Box::pin(async move {
            Done::Announced(self.look_up(id, self.epoch()).await.map(|_| ()))
        }))
    }

    async fn list(&self, epoch: u32) -> Result<usize, Error> {
        let path = "/containers/json?all=1";
        let all: Option<Vec<ListedContainer>> = self.client.get("all containers", path).await?;
        let all = all.unwrap_or_default();
        // A container that the runtime lists lives, also if it is too busy to describe it.
        let ids = all.iter().filter_map(ListedContainer::id).collect();
        let origin = self.origin();
        let listed = Update::Listed { origin, epoch, ids };
        self.task.updates.send(listed).await;
        let ids = all.iter().filter_map(ListedContainer::id);
        let answers = ids.map(|id| self.look_up(id, epoch));
        let mut answers = stream::iter(answers).buffer_unordered(CONCURRENT);
        let mut containers = 0;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(found) => containers += usize::from(found),
                // One container can be busy for long.
                Err(Error::Timeout(_)) => {
                    count(&self.task.counters.runtime_lookup_failures_total);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(containers)
    }

    async fn find(&self, id: ContainerId) -> Result<bool, Error> {
        // Docker finds containers by names and by the beginning of their ids too.
        if !id.is_hexadecimal() {
            return Ok(false);
        }
        let epoch = self.epoch();
        Ok(self.look_up(id, epoch).await? || self.look_back(id, epoch).await?)
    }
}
