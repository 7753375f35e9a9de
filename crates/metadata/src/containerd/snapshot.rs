//! All containers and tasks that a containerd has, at the start of a connection.

use containerd_client::{
    services::v1::{
        ListContainersRequest, ListTasksRequest, containers_client::ContainersClient,
        tasks_client::TasksClient,
    },
    tonic::Code,
};
use tokio::time::timeout;

use super::session::{MESSAGE_MAX, Session};
use crate::{
    ContainerId,
    runtime::{Done, Error},
};

impl Session<'_> {
    /// Sends all containers there are; returns how many.
    pub(super) async fn list_all(&self, epoch: u32) -> Result<usize, Error> {
        let mut containers = 0;
        for namespace in self.namespaces() {
            containers += self.list_in(namespace, epoch).await?;
        }
        Ok(containers)
    }

    async fn list_in(&self, namespace: u8, epoch: u32) -> Result<usize, Error> {
        const WHAT: &str = "Containers.ListStream";
        let mut client =
            ContainersClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_MAX);
        let request = self.request(namespace, ListContainersRequest::default());
        let wait = self.task.options.timeout;
        let mut stream = match timeout(wait, client.list_stream(request)).await {
            Err(_) => return Err(Error::Timeout(WHAT)),
            Ok(Err(status)) if status.code() == Code::NotFound => return Ok(0),
            Ok(Err(status)) => return Err(Error::rpc(WHAT)(status)),
            Ok(Ok(stream)) => stream.into_inner(),
        };
        let mut containers = 0;
        loop {
            let message = timeout(wait, stream.message())
                .await
                .map_err(|_| Error::Timeout(WHAT))?
                .map_err(Error::rpc(WHAT))?;
            let Some(record) = message.and_then(|m| m.container) else {
                return Ok(containers);
            };
            containers += 1;
            self.send(namespace, epoch, record).await?;
        }
    }

    /// Sends the first processes of all containers there are.
    pub(super) async fn tasks(&self) -> Done {
        for namespace in self.namespaces() {
            let mut client = TasksClient::new(self.channel.clone());
            let request = self.request(namespace, ListTasksRequest::default());
            match self.call("Tasks.List", client.list(request)).await {
                Ok(tasks) => {
                    for task in tasks.into_iter().flat_map(|t| t.tasks) {
                        if let Some(id) = ContainerId::new(task.id.as_bytes()) {
                            self.send_task(namespace, id, task.pid).await;
                        }
                    }
                }
                Err(error) => return Done::Announced(Err(error)),
            }
        }
        Done::Announced(Ok(()))
    }
}
