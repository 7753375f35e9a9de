//! The pods of the fleet's nodes: those that a real API server once returned, under other names.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tests::cluster::ControlPlane;

use super::node;

/// A LIST of pods of a real API server.
const LIST: &str = include_str!("../../../testbed/fixtures/list-pods-node1.json");
/// The namespace of the pods.
const NAMESPACE: &str = "shop";

/// Changes a pod of a node without an agent. Where no pod changes at all, the server has no
/// bookmarks to send.
pub(super) fn change_elsewhere(plane: &ControlPlane, number: u64) -> Result<()> {
    let list: Value = serde_json::from_str(LIST)?;
    let mut pod = list["items"][0].clone();
    name(
        &mut pod,
        "elsewhere",
        "00000000-0000-4000-8000-ffffffffffff",
        "elsewhere",
    );
    pod["metadata"]["labels"]["change"] = json!(number.to_string());
    plane.put(vec![(format!("/registry/pods/{NAMESPACE}/elsewhere"), pod)])
}

/// Names a pod and its node.
fn name(pod: &mut Value, name: &str, uid: &str, node: &str) {
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["namespace"] = json!(NAMESPACE);
    pod["metadata"]["uid"] = json!(uid);
    pod["spec"]["nodeName"] = json!(node);
    // etcd's own version stands for it.
    let metadata = pod["metadata"].as_object_mut();
    metadata.map(|metadata| metadata.remove("resourceVersion"));
}

/// Puts `pods` pods for each of `nodes` nodes into etcd.
pub(super) fn pods(plane: &ControlPlane, nodes: u32, pods: u32) -> Result<()> {
    let list: Value = serde_json::from_str(LIST)?;
    let models = list["items"].as_array().context("a LIST has items")?;
    ensure!(!models.is_empty(), "the LIST has no pods");
    let mut objects = Vec::new();
    for (number, model) in (0..nodes * pods).zip(models.iter().cycle()) {
        let mut pod = model.clone();
        let pod_name = format!("pod-{number:06}");
        let uid = format!("00000000-0000-4000-8000-{number:012}");
        name(&mut pod, &pod_name, &uid, &node(number / pods));
        objects.push((format!("/registry/pods/{NAMESPACE}/{pod_name}"), pod));
    }
    plane.put(objects)
}
