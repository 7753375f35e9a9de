//! How the tasks reach the API server.

use std::path::{Path, PathBuf};

use hyper::header::{HeaderValue, InvalidHeaderValue, USER_AGENT};
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
        let agent = user_agent(&self.node).map_err(|e| Failure::other("User-Agent", &e))?;
        config.headers.push((USER_AGENT, agent));
        let client = Client::try_from(config).map_err(|e| Failure::other("client", &e))?;
        Ok(Api::new(client, &self.node, options))
    }
}

/// What the requests call themselves, `sensor/VERSION (NODE)`: audit rules can name the sensor, and
/// the server's log says which node asks.
fn user_agent(node: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    format!("sensor/{} ({node})", env!("CARGO_PKG_VERSION")).try_into()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;
    use crate::kube::api::Version;

    #[test]
    fn requests_name_the_sensor_its_version_and_its_node() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let lines = lines.map(Result::unwrap);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let refusal = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(refusal.as_bytes()).unwrap();
            head
        });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        let kubeconfig = format!(
            "{{apiVersion: v1, kind: Config, current-context: c,
            clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}],
            contexts: [{{name: c, context: {{cluster: c, user: u}}}}],
            users: [{{name: u, user: {{token: t}}}}]}}"
        );
        std::fs::write(&path, kubeconfig).unwrap();
        let options = KubeOptions {
            access: KubeAccess::Kubeconfig(path),
            node: Some("node-1".into()),
            ..KubeOptions::default()
        };
        let access = Access::new(&options).unwrap().unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let api = access.api(&options).await?;
            api.list(&Version::FromCache).await
        });
        assert!(matches!(answer, Err(Failure::Unauthorized)));
        let agent = format!("user-agent: sensor/{} (node-1)", env!("CARGO_PKG_VERSION"));
        let head = server.join().unwrap();
        assert!(head.contains(&agent), "{head:?}");
    }
}
