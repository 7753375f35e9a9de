//! Installations as deploy/README.md says, and what they leave.

use std::{fs, net::Ipv4Addr};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::cluster::until;

use crate::shared::{Installed, ROOT, Shared, cluster, overlay};

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn the_api_server_takes_each_overlay() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let mut overlays = 0;
    for entry in fs::read_dir(overlay(""))? {
        let folder = overlay(&entry?.file_name().to_string_lossy());
        // As somebody does who changes from one to the other.
        let apply = ["apply", "--dry-run=server", "-k"];
        let printed = shared
            .cluster
            .kubectl(&[apply.as_slice(), &[&folder]].concat())?;
        ensure!(
            printed.contains("daemonset.apps/sensor"),
            "{folder}: {printed}"
        );
        overlays += 1;
    }
    ensure!(overlays > 0, "no overlay is in {}", overlay(""));
    Ok(())
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn the_first_exec_of_a_pod_has_its_pod_namespace_labels_and_image() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let first = first_exec_of(&shared, "kustomize")?;
    ensure!(first["proc.cmdline"] == "ls /", "{first}");
    Ok(())
}

/// Makes a pod with labels; returns the fields of the first line about its container's own program.
fn first_exec_of(shared: &Shared, name: &str) -> Result<Value> {
    shared.cluster.kubectl(&[
        "run",
        name,
        "--image=docker.io/testbed/tools:1",
        "--restart=Never",
        "--labels=app=hello,tier=front",
        "--command",
        "--",
        "ls",
        "/",
    ])?;
    let pod = format!("\"k8s.pod.name\":\"{name}\"");
    let line = until("a line of the pod", || {
        let lines = shared.lines(&pod)?;
        // Before the pod's container comes its sandbox, and runc executes itself again, sometimes in
        // the container's cgroup already.
        let own = |line: &Value| {
            let fields = &line["output_fields"];
            let command = fields["proc.cmdline"].as_str().unwrap_or_default();
            fields["container.name"] == name && !command.starts_with("runc")
        };
        Ok(lines.into_iter().find(own))
    })?;
    let fields = &line["output_fields"];
    for (field, value) in [
        ("k8s.ns.name", "default"),
        ("k8s.pod.labels", "app:hello, tier:front"),
        ("container.name", name),
        ("container.image.repository", "docker.io/testbed/tools"),
        ("container.image.tag", "1"),
    ] {
        ensure!(fields[field] == value, "{field} is not {value}: {line}");
    }
    shared
        .cluster
        .kubectl(&["delete", "pod", name, "--wait=false"])?;
    Ok(fields.clone())
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn the_charts_own_test_passes() -> Result<()> {
    let shared = cluster(Installed::Helm)?;
    first_exec_of(&shared, "helm")?;
    // No server of names comes from the Go module proxy in little time: this one knows the Service.
    let path = "jsonpath={.items[0].status.podIP}";
    let address = shared
        .cluster
        .kubectl(&["-n", "sensor", "get", "pods", "-o", path])?;
    let address: Ipv4Addr = address.parse().with_context(|| address.clone())?;
    shared
        .cluster
        .names()
        .set("sensor.sensor.svc.cluster.local", Some(address.octets()));
    let test = shared
        .cluster
        .helm(&["test", "sensor", "--namespace=sensor", "--timeout=60s"])?;
    let events = shared.cluster.kubectl(&["-n", "sensor", "get", "events"])?;
    ensure!(
        test.status.success(),
        "helm test: {}{}{events}",
        String::from_utf8_lossy(&test.stdout),
        String::from_utf8_lossy(&test.stderr)
    );
    Ok(())
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn an_uninstall_leaves_the_logs_and_nothing_else() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    drop(shared);
    let shared = cluster(Installed::No)?;
    let kinds = "namespaces,clusterroles,clusterrolebindings,priorityclasses";
    let left = shared.cluster.kubectl(&["get", kinds, "-o", "name"])?;
    let ours: Vec<&str> = left
        .lines()
        .filter(|name| name.ends_with("/sensor"))
        .collect();
    ensure!(ours.is_empty(), "left: {ours:?}");
    let file = shared.file();
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let last = text.lines().last().unwrap_or_default();
    ensure!(
        last.contains("Sensor internal: stop"),
        "the last line is {last}"
    );
    ensure!(
        fs::exists(format!("{ROOT}/deploy"))?,
        "the checkout is gone"
    );
    Ok(())
}
