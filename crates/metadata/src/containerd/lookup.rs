//! Questions to a containerd about one container.

use std::{
    future::Future,
    path::PathBuf,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
};

use containerd_client::{
    services::v1::{
        Container as Record, GetContainerRequest, GetImageRequest, GetRequest,
        containers_client::ContainersClient, images_client::ImagesClient,
        tasks_client::TasksClient,
    },
    tonic::{Code, Request, Response, Status, metadata::MetadataValue},
};
use tokio::time::timeout;

use super::{
    describe::describe,
    session::{MESSAGE_MAX, Session},
};
use crate::{
    BoundedCache, ContainerId,
    caches::Update,
    clock::{MILLISECOND, boot_at, boot_now},
    counters::count,
    runtime::Error,
    text::clean,
};

/// Where shims keep bundles, below containerd's state directory.
const BUNDLES: &str = "io.containerd.runtime.v2.task";

/// The age from which a container can be expected to have a first process.
const TASK_AGE: u64 = 20 * MILLISECOND;

impl Session<'_> {
    /// Asks for a container in all namespaces; returns whether there is one.
    pub(super) async fn find_anywhere(&self, id: ContainerId) -> Result<bool, Error> {
        let mut found = false;
        for namespace in self.namespaces() {
            found |= self.find_in(namespace, id).await?;
        }
        Ok(found)
    }

    /// Asks for a container and sends it to the capture thread; returns whether there is one.
    pub(super) async fn find_in(&self, namespace: u8, id: ContainerId) -> Result<bool, Error> {
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
        let epoch = self.task.epoch.load(Ordering::Relaxed);
        let Some(created) = self.send(namespace, epoch, record).await? else {
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

    /// Adds the digest of the image to a record and sends the record. Returns when the container
    /// was created, or none if the record is invalid.
    pub(super) async fn send(
        &self,
        namespace: u8,
        epoch: u32,
        record: Record,
    ) -> Result<Option<u64>, Error> {
        let name = self.namespace(namespace);
        let Some(described) = describe(name, &record, &self.task.counters) else {
            count(&self.task.counters.runtime_invalid_total);
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
            detail: described.detail,
            epoch,
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
            self.digests().insert(name, digest.clone());
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

    /// A call whose answer may be that there is nothing. An error that concerns only this question
    /// counts as such an answer; an error of the connection ends the session.
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
                    count(&self.task.counters.runtime_lookup_failures_total);
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

    /// The directory of bundles: beside the socket, or in `containerd` beside it (microk8s).
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

    fn digests(&self) -> MutexGuard<'_, BoundedCache<String, Option<Box<str>>>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
