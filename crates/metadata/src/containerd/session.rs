//! One connection to a containerd.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use containerd_client::{
    events::{ContainerCreate, ContainerDelete, ContainerUpdate, TaskCreate},
    services::v1::{
        Container as Record, GetContainerRequest, GetImageRequest, GetRequest, SubscribeRequest,
        containers_client::ContainersClient, events_client::EventsClient,
        images_client::ImagesClient, tasks_client::TasksClient,
    },
    tonic::{
        Code, Request, Response, Status, Streaming, metadata::MetadataValue, transport::Channel,
    },
    types::Envelope,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use prost::Message;
use prost_types::{Any, Timestamp};
use rustc_hash::FxHashSet;
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at, timeout},
};

use super::{Error, Socket, Task, describe::describe};
use crate::{
    ContainerId, Notice,
    caches::{Origin, Update},
    clock::{MILLISECOND, boot_at, boot_now},
    counters::count,
    text::clean,
};

/// Questions that are under way at a time.
const CONCURRENT: usize = 64;
/// Largest message: a container's specification is tens of kilobytes.
pub(super) const MESSAGE_MAX: usize = 16 << 20;
/// Images whose digests are kept for the connection.
const IMAGES_MAX: usize = 512;
/// How often the socket's file is looked at.
const CHECK: Duration = Duration::from_secs(2);
/// Where shims keep bundles, below containerd's state directory.
const BUNDLES: &str = "io.containerd.runtime.v2.task";

/// How old a container is whose first process can be there already.
const TASK_AGE: u64 = 20 * MILLISECOND;

/// What a finished question leaves to do.
pub(super) enum Done {
    /// An event waits for it; whether it was found.
    Asked(ContainerId, Result<bool, Error>),
    /// containerd told of it by itself.
    Told(Result<(), Error>),
    /// All containers there are; how many.
    Snapshot(Result<usize, Error>),
}

/// A connection.
pub(super) struct Session<'a> {
    pub(super) task: &'a Task,
    pub(super) channel: Channel,
    /// Counts snapshots, over all connections.
    pub(super) epoch: &'a AtomicU32,
    bundles: OnceLock<PathBuf>,
    /// Digests by image id, whose meaning never changes.
    digests: Mutex<HashMap<String, Option<Box<str>>>>,
}

impl<'a> Session<'a> {
    pub(super) fn new(task: &'a Task, channel: Channel, epoch: &'a AtomicU32) -> Self {
        Self {
            task,
            channel,
            epoch,
            bundles: OnceLock::new(),
            digests: Mutex::default(),
        }
    }

    /// Serves until the connection ends; why, and whether it ever was ready.
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
        // containerd sends the answer's head with the first event: what is done
        // meanwhile must not wait for it.
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
                        // What came and went between the first snapshot and the subscription.
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

    /// Takes note of a finished question; gives what must be asked again.
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
            Done::Told(Err(Error::Timeout(_))) => {
                count(&self.task.counters.containerd_lookup_failures_total);
            }
            Done::Asked(_, Err(error)) | Done::Told(Err(error)) => {
                count(&self.task.counters.containerd_lookup_failures_total);
                return Err(error);
            }
            Done::Told(Ok(())) => {}
            Done::Snapshot(containers) => {
                let containers = containers?;
                if !*ready {
                    *ready = true;
                    self.task.updates.send(Update::SourceUp { source }).await;
                    self.task.health.set_containerd(source, true);
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

    /// Takes an event; gives the question that it raises.
    async fn event(&self, envelope: Envelope) -> Option<BoxFuture<'_, Done>> {
        let namespaces = &self.task.options.namespaces;
        let namespace = namespaces.iter().position(|n| *n == envelope.namespace)?;
        let namespace = u8::try_from(namespace).ok()?;
        let origin = self.origin(namespace);
        let body = envelope.event?;
        let told = |id: &str| {
            let id = ContainerId::new(id.as_bytes())?;
            Some(async move { Done::Told(self.find(namespace, id).await.map(|_| ())) }.boxed())
        };
        match envelope.topic.as_str() {
            "/containers/create" => told(&body_of::<ContainerCreate>(&body)?.id),
            "/containers/update" => told(&body_of::<ContainerUpdate>(&body)?.id),
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

    /// Answers for an event that waits: looks into all namespaces.
    async fn answer(&self, id: ContainerId) -> Done {
        let mut found = false;
        for namespace in 0..u8::try_from(self.task.options.namespaces.len()).unwrap_or(u8::MAX) {
            match self.find(namespace, id).await {
                Ok(here) => found |= here,
                Err(error) => return Done::Asked(id, Err(error)),
            }
        }
        Done::Asked(id, Ok(found))
    }

    /// Gets a container and sends it; whether it is there.
    async fn find(&self, namespace: u8, id: ContainerId) -> Result<bool, Error> {
        let request = GetContainerRequest {
            id: id.full().to_owned(),
        };
        let mut client =
            ContainersClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_MAX);
        let answer = self
            .call(
                "Containers.Get",
                client.get(self.request(namespace, request)),
            )
            .await?;
        let Some(record) = answer.and_then(|a| a.container) else {
            return Ok(false);
        };
        if record.id != id.full() {
            return Ok(false);
        }
        let Some(created) = self.send(namespace, record).await? else {
            return Ok(false);
        };
        if boot_now().saturating_sub(created) > TASK_AGE {
            let request = GetRequest {
                container_id: id.full().to_owned(),
                exec_id: String::new(),
            };
            let mut client = TasksClient::new(self.channel.clone());
            let task = client.get(self.request(namespace, request));
            if let Ok(Some(task)) = self.call("Tasks.Get", task).await
                && let Some(process) = task.process
            {
                self.send_task(namespace, id, process.pid).await;
            }
        }
        Ok(true)
    }

    /// Completes a record with its image's digest and sends it; when the
    /// container was created, or none if the record makes no sense.
    pub(super) async fn send(&self, namespace: u8, record: Record) -> Result<Option<u64>, Error> {
        let name = self.namespace(namespace);
        let Some(described) = describe(name, &record, &self.task.counters) else {
            count(&self.task.counters.containerd_invalid_total);
            return Ok(None);
        };
        let mut container = described.container;
        if let Some(key) = described.image_key
            && let Some(digest) = self.digest(namespace, key).await?
        {
            container.digest = Some(digest);
        }
        let rootfs = self
            .bundles()
            .join(name)
            .join(container.id.full())
            .join("rootfs");
        container.rootfs = rootfs.to_str().map(Into::into);
        let created = container.created.map_or_else(boot_now, boot_at);
        let update = Update::Container {
            origin: self.origin(namespace),
            epoch: self.epoch.load(Ordering::Relaxed),
            created,
            container,
        };
        self.task.updates.send(update).await;
        Ok(Some(created))
    }

    /// Digest of an image's manifest.
    async fn digest(&self, namespace: u8, name: String) -> Result<Option<Box<str>>, Error> {
        let is_id = name.starts_with("sha256:");
        if is_id && let Some(known) = self.digests().get(&name) {
            return Ok(known.clone());
        }
        let request = GetImageRequest { name: name.clone() };
        let mut client = ImagesClient::new(self.channel.clone());
        let image = self
            .call("Images.Get", client.get(self.request(namespace, request)))
            .await?;
        let digest = image
            .and_then(|i| i.image?.target)
            .map(|target| clean(&target.digest, 256));
        if is_id {
            let mut digests = self.digests();
            if digests.len() >= IMAGES_MAX {
                digests.clear();
            }
            digests.insert(name, digest.clone());
        }
        Ok(digest)
    }

    pub(super) async fn send_task(&self, namespace: u8, id: ContainerId, pid: u32) {
        let update = Update::Task {
            origin: self.origin(namespace),
            id,
            init: Some(pid).filter(|pid| *pid != 0),
        };
        self.task.updates.send(update).await;
    }

    /// A call that may find nothing. What concerns only this question is as
    /// good as nothing; an error of the connection ends the session.
    pub(super) async fn call<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Option<T>, Error> {
        match timeout(self.task.options.timeout, call).await {
            Err(_) => Err(Error::Timeout(what)),
            Ok(Ok(response)) => Ok(Some(response.into_inner())),
            Ok(Err(status)) => match status.code() {
                Code::NotFound => Ok(None),
                Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal => {
                    Err(Error::rpc(what)(status))
                }
                _ => {
                    count(&self.task.counters.containerd_lookup_failures_total);
                    Ok(None)
                }
            },
        }
    }

    pub(super) fn request<T>(&self, namespace: u8, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Ok(value) = MetadataValue::try_from(self.namespace(namespace)) {
            request.metadata_mut().insert("containerd-namespace", value);
        }
        request
    }

    fn origin(&self, namespace: u8) -> Origin {
        Origin {
            source: self.task.source,
            namespace,
        }
    }

    fn namespace(&self, namespace: u8) -> &str {
        &self.task.options.namespaces[usize::from(namespace)]
    }

    /// Where the bundles are: beside the socket, or in `containerd` beside it (microk8s).
    fn bundles(&self) -> PathBuf {
        if let Some(known) = self.bundles.get() {
            return known.clone();
        }
        let beside = self.task.socket.parent().unwrap_or(&self.task.socket);
        let places = [
            beside.join(BUNDLES),
            beside.join("containerd").join(BUNDLES),
        ];
        let found = places.iter().find(|place| place.is_dir());
        match found {
            Some(found) => self.bundles.get_or_init(|| found.clone()).clone(),
            None => places[0].clone(),
        }
    }

    fn digests(&self) -> MutexGuard<'_, HashMap<String, Option<Box<str>>>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
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
