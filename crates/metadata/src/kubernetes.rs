//! What runtimes and kubelet write into the labels of containers about their pods.

use std::sync::Arc;

use crate::{
    Counters, Pod,
    labels::{labels, labels_text},
    text::clean,
};

/// The label with the name of a container in its pod's specification.
pub(crate) const CONTAINER_NAME: &str = "io.kubernetes.container.name";
/// Name of a sandbox's container, by Kubernetes' convention.
pub(crate) const POD_SANDBOX_NAME: &str = "POD";
pub(crate) const POD_NAME: &str = "io.kubernetes.pod.name";
pub(crate) const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
pub(crate) const POD_UID: &str = "io.kubernetes.pod.uid";
/// Labels with these beginnings are of the runtime, not of the pod.
const OF_RUNTIMES: [&str; 3] = ["io.cri-containerd.", "io.kubernetes.docker.", "annotation."];
/// Most bytes of a name that are kept.
const TEXT_MAX: usize = 1024;

/// What labels say about the pod. `of_sandbox` are the labels of a sandbox, which are those of the
/// pod too.
pub(crate) fn pod<'a>(
    get: impl Fn(&str) -> Option<&'a str>,
    of_sandbox: Option<impl Iterator<Item = (&'a str, &'a str)>>,
    counters: &Counters,
) -> Option<Arc<Pod>> {
    let text = |key| get(key).map(|value| clean(value, TEXT_MAX));
    let mut pod = Pod {
        name: text(POD_NAME)?,
        namespace: text(POD_NAMESPACE)?,
        uid: text(POD_UID)?,
        ..Pod::default()
    };
    if let Some(all) = of_sandbox {
        let is_own = |key: &str| {
            !matches!(key, CONTAINER_NAME | POD_NAME | POD_NAMESPACE | POD_UID)
                && !OF_RUNTIMES.iter().any(|prefix| key.starts_with(prefix))
        };
        pod.labels = labels(all.filter(|(key, _)| is_own(key)), counters);
        pod.labels_text = Some(labels_text(&pod.labels));
    }
    Some(Arc::new(pod))
}
