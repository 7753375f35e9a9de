//! A control plane without nodes: etcd and the API server, and a machine for clients on the other
//! side of a network.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    Nodes, control, folder,
    node::Node,
    pki::Pki,
    programs,
    space::{Guard, Part, run},
};

/// Objects in one transaction of etcd, which takes up to 128, and 1.5 MB.
const AT_ONCE: usize = 64;

/// A running control plane. Everything ends when this value is dropped.
pub struct ControlPlane {
    dir: PathBuf,
    programs: PathBuf,
    pki: Pki,
    server: Option<Part>,
    etcd: Part,
    clients: Node,
    servers: Node,
    /// The last member, so that it is dropped last.
    _guard: Guard,
}

/// Bytes on the network between the servers and the clients, with all headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// From the clients.
    pub received: u64,
    /// To the clients.
    pub sent: u64,
}

impl ControlPlane {
    /// Starts etcd alone.
    ///
    /// # Errors
    /// If `SENSOR_CLUSTER` is not set, or etcd does not start.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let (name, dir) = folder()?;
        let guard = Guard::start(&name, &dir)?;
        let pki = control::certificates(&dir.join("pki"))?;
        let servers = Node::new(1, Nodes::Containers(2), &name, &dir)?;
        servers.first_network()?;
        let clients = Node::new(2, Nodes::Containers(2), &name, &dir)?;
        clients.second_network(&servers)?;
        let mut etcd = control::etcd(&servers.space)?;
        etcd.until("etcd listens", control::PATIENCE, || {
            let reached = servers.space.within(|| TcpStream::connect(control::ETCD));
            reached.is_ok_and(|stream| stream.is_ok())
        })?;
        Ok(Self {
            dir,
            programs,
            pki,
            server: None,
            etcd,
            clients,
            servers,
            _guard: guard,
        })
    }

    /// The folder of all files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Puts objects into etcd, with their status, as the API server would.
    ///
    /// # Errors
    /// If etcd refuses them.
    pub fn put(&self, objects: Vec<(String, Value)>) -> Result<()> {
        self.servers
            .space
            .within(move || put(&objects))
            .context("etcd")?
    }

    /// Starts the API server with further options, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_api_server(&mut self, more: &[String]) -> Result<()> {
        let space = &self.servers.space;
        let server = control::api_server(space, &self.programs, &self.pki, more)?;
        self.server = Some(server);
        Ok(())
    }

    /// Kills the API server, as a fault would.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill_api_server(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), Part::kill)
    }

    /// The process id of the API server.
    ///
    /// # Errors
    /// If it does not run.
    pub fn api_server(&self) -> Result<u32> {
        let server = self.server.as_ref().context("there is no API server")?;
        Ok(server.pid())
    }

    /// The process id of etcd.
    #[must_use]
    pub fn etcd(&self) -> u32 {
        self.etcd.pid()
    }

    /// Runs `kubectl` as the one who administers the cluster; returns what it printed.
    ///
    /// # Errors
    /// If it fails, with what it printed.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let space = &self.servers.space;
        run(control::kubectl(space, &self.programs, &self.pki).args(args))
    }

    /// Writes a kubeconfig with a token.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn kubeconfig(&self, token: &str) -> Result<PathBuf> {
        let file = self.dir.join("token.conf");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "c", "cluster": {
                "server": control::server(), "certificate-authority": self.pki.file("ca.crt"),
            }}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        });
        fs::write(&file, text.to_string())?;
        Ok(file)
    }

    /// A command on the machine of the clients.
    #[must_use]
    pub fn client_command(&self, program: &Path) -> Command {
        self.clients.space.command(program)
    }

    /// What has gone through the network between both machines.
    ///
    /// # Errors
    /// If the kernel does not say so.
    pub fn traffic(&self) -> Result<Traffic> {
        let text = run(self.servers.space.command("cat").arg("/proc/net/dev"))?;
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("node:"));
        let counters = line.unwrap_or_default().split_whitespace();
        let counters: Vec<u64> = counters.map_while(|word| word.parse().ok()).collect();
        match (counters.first(), counters.get(8)) {
            (Some(&received), Some(&sent)) => Ok(Traffic { received, sent }),
            _ => bail!("no device `node`: {text}"),
        }
    }
}

/// Puts objects into etcd through its gateway, in the network namespace of this thread.
fn put(objects: &[(String, Value)]) -> Result<()> {
    for objects in objects.chunks(AT_ONCE) {
        let put = objects.iter().map(|(key, value)| {
            json!({"requestPut": {
                "key": BASE64_STANDARD.encode(key),
                "value": BASE64_STANDARD.encode(value.to_string()),
            }})
        });
        let body = json!({ "success": put.collect::<Vec<_>>() }).to_string();
        let mut stream = TcpStream::connect(control::ETCD)?;
        // The answer of HTTP/1.0 ends with the connection.
        write!(
            stream,
            "POST /v3/kv/txn HTTP/1.0\r\nhost: etcd\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.lines().next().unwrap_or_default();
        ensure!(status.contains(" 200 "), "{answer}");
    }
    Ok(())
}
