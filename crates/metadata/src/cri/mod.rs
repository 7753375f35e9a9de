//! Containers from CRI (v1): CRI-O, cri-dockerd, and every other runtime of Kubernetes. containerd is
//! asked by its own API instead (`containerd/`).
//!
//! CRI-O announces containers where its configuration says so (`enable_pod_events`), to each client
//! that listens; containerd 1.7 does not, and takes the events away from kubelet, so the sensor never
//! listens there. Without events the sensor asks when an event names a container, and lists all
//! containers now and then.

mod describe;
mod messages;

pub(crate) use self::{describe::mounts, messages::CriMount};

use std::{
    sync::{Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use containerd_client::tonic::{
    Code, Request, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery,
    transport::Channel,
};
use futures::{StreamExt as _, future::BoxFuture, stream};
use prost::Message;
use rustc_hash::FxHashSet;
use tokio::time::timeout;
use tonic_prost::ProstCodec;

use self::{
    describe::Info,
    messages::{
        ContainerEvent, ContainerStatusResponse, Empty, Filter, ListContainersResponse,
        ListRequest, ListSandboxesResponse, SandboxStatusResponse, StatusRequest, VersionRequest,
        VersionResponse,
    },
};
use crate::{
    Container, ContainerId,
    caches::{Origin, Update},
    clock::boot_now,
    counters::count,
    runtime::{Api, Done, Error, Task},
};

/// Largest message: a container's status with its OCI specification is tens of kilobytes.
const MESSAGE_MAX: usize = 16 << 20;
/// Most containers of a list that are asked for at a time.
const CONCURRENT: usize = 16;
/// How often the sensor lists all containers.
const RELIST: Duration = Duration::from_secs(15);
/// `CONTAINER_DELETED_EVENT` of `ContainerEventType`.
const DELETED: i32 = 3;
/// The names of runtimes in `VersionResponse`, and Falco's for the same.
const RUNTIMES: &[(&str, &str)] = &[
    ("cri-o", "cri-o"),
    ("containerd", "containerd"),
    ("docker", "docker"),
];
/// Falco's name for any other runtime.
const ANY: &str = "cri";

/// A connection.
pub(crate) struct Session<'a> {
    task: &'a Task,
    channel: Channel,
    /// `container.type` of its containers.
    runtime: &'static str,
    /// Containers and sandboxes that the sensor has described on this connection.
    known: Mutex<FxHashSet<ContainerId>>,
}

/// Whether the runtime's answer says that it does not have the object. cri-dockerd has no code for
/// that.
fn is_missing(status: &Status) -> bool {
    let text = || status.message().to_ascii_lowercase();
    status.code() == Code::NotFound
        || (status.code() == Code::Unknown
            && [
                "no such container",
                "not found",
                "could not find",
                "does not exist",
            ]
            .iter()
            .any(|part| text().contains(part)))
}

impl<'a> Session<'a> {
    /// Begins a connection with a runtime that has CRI.
    pub(crate) async fn new(task: &'a Task, channel: Channel) -> Result<Self, Error> {
        let mut session = Self {
            task,
            channel,
            runtime: ANY,
            known: Mutex::default(),
        };
        let request = VersionRequest {
            version: "v1".to_owned(),
        };
        let version: Option<VersionResponse> = session.call("Version", request).await?;
        let Some(VersionResponse { runtime_name }) = version else {
            return Err(Error::Refused {
                what: "CRI (v1)",
                message: "the runtime at this socket does not have the API".to_owned(),
            });
        };
        let row = RUNTIMES.iter().find(|(theirs, _)| *theirs == runtime_name);
        session.runtime = row.map_or(ANY, |(_, ours)| ours);
        Ok(session)
    }

    /// A call of `runtime.v1.RuntimeService`; none if the runtime does not have the object.
    async fn call<Q, A>(&self, method: &'static str, request: Q) -> Result<Option<A>, Error>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let call = async {
            let mut client = self.ready().await?;
            let codec = ProstCodec::<Q, A>::default();
            client
                .unary(Request::new(request), path(method), codec)
                .await
        };
        match timeout(self.task.options.timeout, call).await {
            Err(_) => Err(Error::Timeout(method)),
            Ok(Ok(response)) => Ok(Some(response.into_inner())),
            Ok(Err(status)) if is_missing(&status) => Ok(None),
            Ok(Err(status)) => match status.code() {
                Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal => {
                    Err(Error::rpc(method)(status))
                }
                // Of this question alone.
                _ => {
                    count(&self.task.counters.runtime_lookup_failures_total);
                    Ok(None)
                }
            },
        }
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Status> {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_MAX);
        client
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(client)
    }

    fn origin(&self) -> Origin {
        Origin {
            source: self.task.source,
            namespace: 0,
        }
    }

    fn known(&self) -> MutexGuard<'_, FxHashSet<ContainerId>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for a container or a sandbox and sends it; returns whether there is one.
    async fn look_up(&self, id: ContainerId, epoch: u32) -> Result<bool, Error> {
        let request = StatusRequest {
            id: id.full().to_owned(),
            verbose: true,
        };
        let answer: Option<ContainerStatusResponse> =
            self.call("ContainerStatus", request.clone()).await?;
        if let Some(answer) = answer
            && answer
                .status
                .as_ref()
                .is_some_and(|status| status.id == id.full())
        {
            let counters = &self.task.counters;
            let info = Info::read(&answer.info, counters);
            let sandbox = match info.sandbox() {
                Some(sandbox) => Some(sandbox),
                // cri-dockerd gives no information of its own.
                None => self.sandbox_of(id).await?,
            };
            let container = describe::container(id, self.runtime, answer, &info, sandbox, counters);
            self.send(container, epoch).await;
            return Ok(true);
        }
        let answer: Option<SandboxStatusResponse> = self.call("PodSandboxStatus", request).await?;
        let Some(answer) = answer else {
            return Ok(false);
        };
        if answer
            .status
            .as_ref()
            .is_none_or(|status| status.id != id.full())
        {
            return Ok(false);
        }
        let container = describe::sandbox(id, self.runtime, &answer, &self.task.counters);
        self.send(container, epoch).await;
        Ok(true)
    }

    /// The sandbox of a container, from the list.
    async fn sandbox_of(&self, id: ContainerId) -> Result<Option<ContainerId>, Error> {
        let filter = Some(Filter {
            id: id.full().to_owned(),
        });
        let listed: Option<ListContainersResponse> =
            self.call("ListContainers", ListRequest { filter }).await?;
        let containers = listed.into_iter().flat_map(|listed| listed.containers);
        Ok(containers
            .filter(|container| container.id == id.full())
            .find_map(|container| ContainerId::new(container.sandbox.as_bytes())))
    }

    async fn send(&self, container: Container, epoch: u32) {
        self.known().insert(container.id);
        let update = Update::whole(self.origin(), epoch, container);
        self.task.updates.send(update).await;
    }

    /// The ids of all containers and sandboxes.
    async fn ids(&self) -> Result<Vec<ContainerId>, Error> {
        let all = ListRequest::default;
        let sandboxes: Option<ListSandboxesResponse> = self.call("ListPodSandbox", all()).await?;
        let containers: Option<ListContainersResponse> = self.call("ListContainers", all()).await?;
        // Sandboxes first: a container takes its pod's labels from its sandbox.
        let sandboxes = sandboxes.into_iter().flat_map(|listed| listed.items);
        let containers = containers.into_iter().flat_map(|listed| listed.containers);
        let ids = sandboxes.map(|item| item.id);
        let ids = ids.chain(containers.map(|item| item.id));
        Ok(ids
            .filter_map(|id| ContainerId::new(id.as_bytes()))
            .collect())
    }
}

/// The path of a method of CRI.
fn path(method: &str) -> PathAndQuery {
    // The methods are constants here, and each makes a valid path.
    PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}"))
        .unwrap_or_else(|_| PathAndQuery::from_static("/"))
}

impl Api for Session<'_> {
    /// None where the runtime announces nothing.
    type Stream = Option<Streaming<ContainerEvent>>;
    type Event = ContainerEvent;

    fn task(&self) -> &Task {
        self.task
    }

    async fn subscribe(&self) -> Result<Self::Stream, Error> {
        if self.runtime != "cri-o" {
            return Ok(None);
        }
        let Ok(mut client) = self.ready().await else {
            return Ok(None);
        };
        let codec = ProstCodec::<Empty, ContainerEvent>::default();
        let request = Request::new(Empty {});
        let answer = client
            .server_streaming(request, path("GetContainerEvents"), codec)
            .await;
        // CRI-O refuses, or ends the stream at once, where its configuration says so.
        Ok(answer
            .ok()
            .map(containerd_client::tonic::Response::into_inner))
    }

    async fn next(stream: &mut Self::Stream) -> Result<ContainerEvent, Error> {
        loop {
            let Some(events) = stream else {
                return std::future::pending().await;
            };
            match events.message().await {
                Ok(Some(event)) => return Ok(event),
                // The next list shows whether the runtime still answers.
                Ok(None) | Err(_) => *stream = None,
            }
        }
    }

    async fn event(&self, event: ContainerEvent) -> Option<BoxFuture<'_, Done>> {
        let id = ContainerId::new(event.id.as_bytes())?;
        if event.kind == DELETED {
            self.known().remove(&id);
            let at = boot_now();
            let origin = self.origin();
            let update = Update::Gone { origin, id, at };
            self.task.updates.send(update).await;
            return None;
        }
        Some(Box::pin(async move {
            let epoch = self.task.epoch.load(Ordering::Relaxed);
            Done::Announced(self.look_up(id, epoch).await.map(|_| ()))
        }))
    }

    async fn list(&self, epoch: u32) -> Result<usize, Error> {
        let ids = self.ids().await?;
        let (known, new): (Vec<_>, Vec<_>) = {
            let known = self.known();
            ids.into_iter().partition(|id| known.contains(id))
        };
        let containers = known.len() + new.len();
        self.known().clone_from(&known.iter().copied().collect());
        let origin = self.origin();
        let ids = known;
        let update = Update::Listed { origin, epoch, ids };
        self.task.updates.send(update).await;
        let answers = new.into_iter().map(|id| self.look_up(id, epoch));
        let mut answers = stream::iter(answers).buffer_unordered(CONCURRENT);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(containers)
    }

    async fn find(&self, id: ContainerId) -> Result<bool, Error> {
        self.look_up(id, self.task.epoch.load(Ordering::Relaxed))
            .await
    }

    fn relist(&self) -> Option<Duration> {
        Some(RELIST)
    }
}
