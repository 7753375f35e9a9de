//! Keeps a cluster with the sensor's image until Ctrl-C: `cargo xtask cluster`.
#![expect(clippy::print_stdout, reason = "it talks to whoever runs it")]

use std::{env, fs, os::unix::fs::PermissionsExt as _, process::ExitCode};

use anyhow::{Context as _, Result};
use tests::cluster::{Cluster, Nodes};

const OVERLAY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/kubernetes/overlays/privileged"
);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let image = env::var_os("SENSOR_IMAGE").context("`cargo xtask cluster` sets SENSOR_IMAGE")?;
    let cluster = Cluster::start(Nodes::Machine, image.as_ref())?;
    let dir = cluster.dir();
    for (name, command) in [
        ("kubectl", cluster.kubectl_command()),
        ("helm", cluster.helm_command()),
    ] {
        let words: Vec<_> = [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .collect();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let settings = command
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?)));
        let settings: Vec<_> = settings
            .map(|(key, value)| format!("{}={}", key.display(), value.display()))
            .collect();
        let file = dir.join(name);
        fs::write(
            &file,
            format!(
                "#!/bin/sh\n{} exec {} \"$@\"\n",
                settings.join(" "),
                words.join(" ")
            ),
        )?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    let dir = dir.display();
    println!("a cluster of one node, with the sensor's image; in another terminal, as root:");
    // Whole, since a command starts at the root of the node's mount namespace.
    println!("  {dir}/kubectl apply -k {OVERLAY}");
    println!("  {dir}/kubectl run hello --image=docker.io/testbed/tools:1 --restart=Never -- ls /");
    println!("  tail -f {dir}/node1/log/falco/falco-node1.log");
    println!("  {dir}/node1/enter ps -ef   # a command in the namespaces of the node");
    println!("Ctrl-C ends all of this.");
    // Ctrl-C ends this process, and the guard of the cluster ends the rest.
    loop {
        std::thread::park();
    }
}
