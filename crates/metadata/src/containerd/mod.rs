//! Containers from containerd's own API, which has events. The task never calls CRI's
//! `GetContainerEvents`: in containerd 1.7 this call takes events away from the kubelet.

mod describe;
mod lookup;
mod session;
mod snapshot;

use containerd_client::{
    services::v1::version_client::VersionClient,
    tonic::{Code, transport::Channel},
};
use tokio::time::timeout;

pub(super) use self::session::Session;
use crate::runtime::{Error, Task};

/// Whether containerd is at the other end of a connection: no other runtime has its version service.
pub(super) async fn is_containerd(task: &Task, channel: &Channel) -> Result<bool, Error> {
    const WHAT: &str = "Version.Version";
    let mut client = VersionClient::new(channel.clone());
    match timeout(task.options.timeout, client.version(())).await {
        Err(_) => Err(Error::Timeout(WHAT)),
        Ok(Ok(_)) => Ok(true),
        Ok(Err(status)) if status.code() == Code::Unimplemented => Ok(false),
        Ok(Err(status)) => Err(Error::rpc(WHAT)(status)),
    }
}
