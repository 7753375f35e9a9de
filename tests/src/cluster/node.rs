//! A node: containerd, the kubelet, and the network of the pods.

use std::{fs, path::Path};

use anyhow::Result;
use harness::container;

use super::{
    Nodes,
    control::{ADDRESS, NAMES, PATIENCE, SERVICE, server},
    pki::{Pki, Subject},
    space::{Part, Space, run},
};

/// containerd's socket, in the node's mount namespace.
const SOCKET: &str = "/run/containerd/containerd.sock";

/// A node of the cluster.
pub(super) struct Node {
    name: String,
    cgroup: String,
    pub(super) space: Space,
    containerd: Option<Part>,
    kubelet: Option<Part>,
}

impl Node {
    /// Makes the namespaces of the node with this number, from 1 on, and its cgroup below that of the
    /// cluster.
    pub(super) fn new(number: usize, kind: Nodes, cluster: &str, dir: &Path) -> Result<Self> {
        let name = format!("node{number}");
        let cgroup = match kind {
            Nodes::Machine => format!("{cluster}/{name}"),
            Nodes::Containers(_) => format!("{cluster}/docker/{}", container::id()),
        };
        let space = Space::new(&cgroup, &dir.join(&name))?;
        Ok(Self {
            name,
            cgroup,
            space,
            containerd: None,
            kubelet: None,
        })
    }

    /// The network of the first node: a pair of devices, of which the second waits for another node.
    pub(super) fn first_network(&self) -> Result<()> {
        self.space.shell(&format!(
            "ip link add node type veth peer name other; ip link set other up; ip link set node up\n\
             ip addr add {ADDRESS}/24 dev node; ip addr add {SERVICE}/32 dev node\n\
             ip addr add {NAMES}/32 dev node\n\
             ip route add default dev node"
        ))
    }

    /// Connects the second node with the first.
    pub(super) fn second_network(&self, first: &Self) -> Result<()> {
        let pid = self.space.pid();
        first
            .space
            .shell(&format!("ip link set other netns {pid}"))?;
        self.space.shell(&format!(
            "ip addr add {}/24 dev other; ip link set other up; ip route add default via {ADDRESS}",
            address(2)
        ))?;
        let pods = "ip route add 10.244.2.0/24 via";
        first.space.shell(&format!("{pods} {}", address(2)))
    }

    /// Starts containerd, and waits until it answers.
    pub(super) fn start_containerd(&mut self, number: usize) -> Result<()> {
        let dir = self.space.dir().display().to_string();
        fs::create_dir_all(format!("{dir}/cni/net.d"))?;
        fs::write(
            format!("{dir}/cni/net.d/10-bridge.conflist"),
            format!(
                r#"{{"cniVersion":"0.4.0","name":"pods","plugins":[
{{"type":"bridge","bridge":"pods0","isGateway":true,"ipMasq":false,"hairpinMode":true,
"ipam":{{"type":"host-local","dataDir":"{dir}/cni/data",
"ranges":[[{{"subnet":"10.244.{number}.0/24"}}]],"routes":[{{"dst":"0.0.0.0/0"}}]}}}},
{{"type":"loopback"}}]}}"#
            ),
        )?;
        // Without CAP_SYS_RESOURCE oom_score_adj cannot be lowered.
        fs::write(
            format!("{dir}/containerd.toml"),
            format!(
                r#"version = 2
root = "{dir}/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/testbed/pause:1"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{dir}/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"#
            ),
        )?;
        let mut command = self.space.command("containerd");
        command.arg("-c").arg(format!("{dir}/containerd.toml"));
        let mut part = self.space.start("containerd", &mut command)?;
        part.until("containerd answers", PATIENCE, || {
            self.ctr(&["version"]).is_ok()
        })?;
        self.containerd = Some(part);
        Ok(())
    }

    /// Stops containerd; its containers go on.
    pub(super) fn stop_containerd(&mut self) -> Result<()> {
        self.containerd.take().map_or(Ok(()), Part::stop)
    }

    /// Runs `ctr`; returns what it printed.
    pub(super) fn ctr(&self, args: &[&str]) -> Result<String> {
        run(self
            .space
            .command("ctr")
            .args(["-a", SOCKET, "-n", "k8s.io"])
            .args(args))
    }

    /// Starts the kubelet, which makes the node known to the cluster.
    pub(super) fn start_kubelet(
        &mut self,
        number: usize,
        programs: &Path,
        pki: &Pki,
    ) -> Result<()> {
        let (name, address) = (self.name.as_str(), address(number));
        let hosts = [name, address.as_str()];
        let user = format!("system:node:{name}");
        let subject = Subject {
            file: name,
            name: &user,
            group: "system:nodes",
            hosts: &hosts,
        };
        pki.issue(&subject, &server())?;
        let file = |ending: &str| pki.file(&format!("{name}.{ending}")).display().to_string();
        let dir = self.space.dir().display().to_string();
        let config = format!("{dir}/kubelet.yaml");
        // Mounted ConfigMaps are looked at in each `syncFrequency`: a minute by default.
        fs::write(
            &config,
            format!(
                "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
                 address: {address}\n\
                 authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {ca}}}}}\n\
                 authorization: {{mode: Webhook}}\ntlsCertFile: {crt}\ntlsPrivateKeyFile: {key}\n\
                 cgroupDriver: cgroupfs\ncgroupRoot: /{root}\nfailCgroupV1: false\nfailSwapOn: false\n\
                 containerRuntimeEndpoint: unix://{SOCKET}\noomScoreAdj: 0\nenforceNodeAllocatable: []\n\
                 evictionHard: {{memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}}\n\
                 imageGCHighThresholdPercent: 100\nimageGCLowThresholdPercent: 99\n\
                 clusterDomain: cluster.local\nclusterDNS: [{NAMES}]\nresolvConf: \"\"\nsyncFrequency: 5s\n\
                 volumePluginDir: {dir}/volume-plugins\nstaticPodPath: {dir}/static-pods\n",
                ca = pki.file("ca.crt").display(),
                crt = file("crt"),
                key = file("key"),
                root = self.cgroup,
            ),
        )?;
        fs::create_dir_all(format!("{dir}/static-pods"))?;
        let mut kubelet = self.space.command(programs.join("kubelet"));
        kubelet.args([
            format!("--config={config}"),
            format!("--kubeconfig={}", file("conf")),
            format!("--hostname-override={name}"),
            format!("--node-ip={address}"),
            format!("--root-dir={dir}/kubelet"),
        ]);
        self.kubelet = Some(self.space.start("kubelet", &mut kubelet)?);
        Ok(())
    }
}

/// The address of the node with this number.
fn address(number: usize) -> String {
    format!("10.99.0.{number}")
}
