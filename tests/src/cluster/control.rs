//! The control plane: etcd, API server, controllers, scheduler.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Result;

use super::{
    pki::{Pki, Subject},
    space::{Part, Space, run},
};

/// Address of the first node, where the control plane runs.
pub(super) const ADDRESS: &str = "10.99.0.1";
/// Address of the Service `kubernetes`. The first node has it too, so that no kube-proxy is needed.
pub(super) const SERVICE: &str = "10.96.0.1";
/// Address of the name server, another one of the first node.
pub(super) const NAMES: &str = "10.96.0.10";
/// How long a part may take to start, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// The URL of the API server.
pub(super) fn server() -> String {
    format!("https://{ADDRESS}:443")
}

/// Makes the certificates of the control plane and of the one who administers the cluster.
pub(super) fn certificates(dir: &Path) -> Result<Pki> {
    let pki = Pki::new(dir)?;
    let user = |file, name, group, hosts| Subject {
        file,
        name,
        group,
        hosts,
    };
    let hosts = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        ADDRESS,
        SERVICE,
        "127.0.0.1",
    ];
    for subject in [
        user("apiserver", "kube-apiserver", "", &hosts),
        user("to-kubelet", "kube-apiserver", "system:masters", &[]),
        user("admin", "admin", "system:masters", &[]),
        user("controllers", "system:kube-controller-manager", "", &[]),
        user("scheduler", "system:kube-scheduler", "", &[]),
    ] {
        pki.issue(&subject, &server())?;
    }
    Ok(pki)
}

/// Where etcd listens in the network namespace of the first node.
pub(super) const ETCD: &str = "127.0.0.1:2379";

/// Starts etcd, which keeps the cluster's objects.
pub(super) fn etcd(space: &Space) -> Result<Part> {
    let mut etcd = space.command("etcd");
    etcd.arg(format!("--data-dir={}/etcd", space.dir().display()));
    for flag in ["listen-client-urls", "advertise-client-urls"] {
        etcd.arg(format!("--{flag}=http://{ETCD}"));
    }
    etcd.args([
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=default=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]);
    space.start("etcd", &mut etcd)
}

/// Starts the API server with further options, and waits until it is ready.
pub(super) fn api_server(
    space: &Space,
    programs: &Path,
    pki: &Pki,
    more: &[String],
) -> Result<Part> {
    let mut server = space.command(programs.join("kube-apiserver"));
    server.args([
        "--bind-address=0.0.0.0",
        "--secure-port=443",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
    ]);
    server.arg(format!("--etcd-servers=http://{ETCD}"));
    server.arg(format!("--advertise-address={ADDRESS}"));
    for (flag, file) in [
        ("tls-cert-file", "apiserver.crt"),
        ("tls-private-key-file", "apiserver.key"),
        ("client-ca-file", "ca.crt"),
        ("kubelet-client-certificate", "to-kubelet.crt"),
        ("kubelet-client-key", "to-kubelet.key"),
        ("kubelet-certificate-authority", "ca.crt"),
        ("service-account-key-file", "accounts.pub"),
        ("service-account-signing-key-file", "accounts.key"),
    ] {
        server.arg(format!("--{flag}={}", pki.file(file).display()));
    }
    server.args(more);
    let mut part = space.start("apiserver", &mut server)?;
    part.until("the API server is ready", PATIENCE, || {
        run(kubectl(space, programs, pki).args(["get", "--raw=/readyz"])).is_ok()
    })?;
    Ok(part)
}

/// Starts the controllers and the scheduler.
pub(super) fn controllers(space: &Space, programs: &Path, pki: &Pki) -> Result<[Part; 2]> {
    let start = |name: &str, file: &str, more: &[String]| {
        let mut command = space.command(programs.join(name));
        let config = pki.file(file).display().to_string();
        for flag in [
            "kubeconfig",
            "authentication-kubeconfig",
            "authorization-kubeconfig",
        ] {
            command.arg(format!("--{flag}={config}"));
        }
        command.args(["--bind-address=127.0.0.1", "--leader-elect=false"]);
        space.start(name, command.args(more))
    };
    let path = |name: &str| pki.file(name).display().to_string();
    let more = [
        "--use-service-account-credentials=true".to_owned(),
        "--allocate-node-cidrs=false".to_owned(),
        // Otherwise the controllers make a folder below /usr.
        format!(
            "--flex-volume-plugin-dir={}/volume-plugins",
            space.dir().display()
        ),
        format!(
            "--service-account-private-key-file={}",
            path("accounts.key")
        ),
        format!("--root-ca-file={}", path("ca.crt")),
        format!("--cluster-signing-cert-file={}", path("ca.crt")),
        format!("--cluster-signing-key-file={}", path("ca.key")),
    ];
    Ok([
        start("kube-controller-manager", "controllers.conf", &more)?,
        start("kube-scheduler", "scheduler.conf", &[])?,
    ])
}

/// `kubectl` as the one who administers the cluster.
pub(super) fn kubectl(space: &Space, programs: &Path, pki: &Pki) -> Command {
    client(space, &programs.join("kubectl"), pki)
}

/// A client of the cluster, as the one who administers it.
pub(super) fn client(space: &Space, program: &Path, pki: &Pki) -> Command {
    let mut command = space.command(program);
    // Clients keep what they find out about the server in a folder of their home.
    command
        .env("KUBECONFIG", pki.file("admin.conf"))
        .env("HOME", space.dir())
        .stdin(Stdio::null());
    command
}
