//! Two nodes on this kernel, each in the cgroup of a container of its own, as kind makes them.

use std::{env, fs, path::PathBuf};

use anyhow::{Result, ensure};
use tests::cluster::{Cluster, Nodes, until};

use crate::shared::{image, lines, overlay, ready};

/// Each node and the pod on it.
const NODES: [(&str, &str); 2] = [("node1", "one"), ("node2", "two")];

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn each_sensor_sees_the_pods_of_its_own_node_alone() -> Result<()> {
    let cluster = Cluster::start(Nodes::Containers(2), &image()?)?;
    cluster.kubectl(&["apply", "-k", &overlay("privileged")])?;
    ready(&cluster)?;
    for (node, pod) in NODES {
        cluster.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, labels: {{app: {pod}}}}}\n\
             spec:\n  nodeName: {node}\n  restartPolicy: Never\n  containers:\n\
             \x20   - {{name: main, image: \"docker.io/testbed/tools:1\", command: [ls, /]}}\n"
        ))?;
    }
    let file = |node: &str| {
        cluster
            .node_log(node)
            .join(format!("falco/falco-{node}.log"))
    };
    for (node, pod) in NODES {
        let line = until("the line of a pod", || {
            let lines = lines(&file(node), "\"proc.cmdline\":\"ls /\"")?;
            Ok(lines.into_iter().next())
        })?;
        let fields = &line["output_fields"];
        ensure!(fields["k8s.pod.name"] == pod, "on {node}: {line}");
        ensure!(
            fields["k8s.pod.labels"] == format!("app:{pod}"),
            "on {node}: {line}"
        );
    }
    for (node, pod) in NODES {
        for line in lines(&file(node), "\"source\":\"syscall\"")? {
            let found = &line["output_fields"]["k8s.pod.name"];
            let own = found
                .as_str()
                .is_some_and(|found| found == pod || found.starts_with("sensor-"));
            ensure!(own, "on {node}: {line}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn a_cluster_that_ends_leaves_no_process_cgroup_mount_or_file() -> Result<()> {
    let cluster = Cluster::start(Nodes::Containers(1), &image()?)?;
    cluster.kubectl(&["apply", "-k", &overlay("privileged")])?;
    let name = cluster
        .dir()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    ensure!(!left(&name)?.is_empty(), "what runs is not found");
    drop(cluster);
    let left = left(&name)?;
    ensure!(left.is_empty(), "left: {left:#?}");
    Ok(())
}

/// What this machine has of a cluster: command lines, cgroups, mounts, its folder.
fn left(name: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let words = fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        left.extend(words.contains(name).then_some(words));
    }
    let mut places = vec![env::temp_dir(), PathBuf::from("/sys/fs/cgroup")];
    for entry in fs::read_dir("/sys/fs/cgroup")? {
        places.push(entry?.path());
    }
    let found = places.into_iter().map(|place| place.join(name));
    left.extend(
        found
            .filter(|path| path.exists())
            .map(|path| path.display().to_string()),
    );
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    left.extend(
        mounts
            .lines()
            .filter(|line| line.contains(name))
            .map(str::to_owned),
    );
    Ok(left)
}
