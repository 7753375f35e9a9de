//! How the tasks reach the API server.

use std::path::{Path, PathBuf};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::api::{Api, Failure};
use crate::{KubeAccess, KubeOptions};

/// Where a pod finds its service account's token.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The API server's credentials, and the name of this node.
pub(super) struct Access {
    credentials: Credentials,
    node: String,
}

enum Credentials {
    InCluster,
    Kubeconfig(PathBuf),
}

impl Access {
    /// The credentials that the options choose; none if the sensor does not run in a pod and the
    /// options name no kubeconfig file.
    pub(super) fn new(options: &KubeOptions) -> Result<Option<Self>, String> {
        let credentials = match &options.access {
            KubeAccess::Auto if !Path::new(TOKEN).exists() => return Ok(None),
            KubeAccess::Auto | KubeAccess::InCluster => Credentials::InCluster,
            KubeAccess::Kubeconfig(path) => Credentials::Kubeconfig(path.clone()),
        };
        let Some(node) = options.node.clone().filter(|node| !node.is_empty()) else {
            return Err("the name of this node is not known: set NODE_NAME".into());
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        if !node.bytes().all(is_name) {
            return Err(format!("'{node}' is no node's name: set NODE_NAME"));
        }
        Ok(Some(Self { credentials, node }))
    }

    /// A client with the current credentials; reads the token or the file anew.
    pub(super) async fn api(&self, options: &KubeOptions) -> Result<Api, Failure> {
        let mut config = match &self.credentials {
            Credentials::InCluster => {
                Config::incluster().map_err(|e| Failure::other("service account", &e))?
            }
            Credentials::Kubeconfig(path) => {
                let what = format!("kubeconfig {}", path.display());
                let file = Kubeconfig::read_from(path).map_err(|e| Failure::other(&what, &e))?;
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                    .await
                    .map_err(|e| Failure::other(&what, &e))?
            }
        };
        // The tasks have pauses and time limits of their own.
        config.default_retry = false;
        config.read_timeout = None;
        let client = Client::try_from(config).map_err(|e| Failure::other("client", &e))?;
        Ok(Api::new(client, &self.node, options))
    }
}
