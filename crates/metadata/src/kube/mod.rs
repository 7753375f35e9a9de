//! Pods of this node from the API server.
//!
//! One LIST from the server's cache (`resourceVersion=0`), then one WATCH with
//! bookmarks, both selected by `spec.nodeName`; each object is trimmed as it
//! arrives. Watch-lists are not used: old servers refuse them. `pace` says when the task asks
//! again, so that the nodes of a cluster do not ask together.

mod access;
mod api;
mod frames;
mod object;
mod pace;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::time::sleep;

use self::{
    access::Access,
    api::{Api, Change, Failure, Version},
    object::PodObject,
    pace::Pace,
};
use super::{
    ContainerId, Counters, Health, KubeOptions, Notice,
    caches::{Detail, Origin, Update, Updates},
    clock::boot_now,
    counters::count,
    health::Once,
};

/// What the task needs.
pub(super) struct Task {
    /// The number of the API server among the sources of the caches.
    pub(super) source: u8,
    pub(super) options: KubeOptions,
    pub(super) updates: Updates,
    pub(super) counters: Arc<Counters>,
    pub(super) health: Arc<Health>,
}

impl Task {
    /// Tells the caches that no answer comes from the API server.
    async fn down(&self) {
        let down = Update::SourceDown {
            source: self.source,
            is_absent: true,
        };
        self.updates.send(down).await;
    }
}

/// Runs until the capture thread has ended.
pub(super) async fn run(task: Task) {
    let access = match Access::new(&task.options) {
        Ok(Some(access)) => access,
        Ok(None) => {
            task.health.set_kube(None);
            task.down().await;
            return;
        }
        Err(reason) => {
            task.health.notice(Notice::KubeDown { reason });
            task.down().await;
            return;
        }
    };
    Reflector {
        pods: FxHashMap::default(),
        reason: Once::default(),
        is_up: false,
        pace: Pace::new(&task.options),
        task,
    }
    .run(&access)
    .await;
}

/// The result of one step.
enum Step {
    Listed,
    /// The server has ended a WATCH; whether it kept the WATCH open for as long as it should.
    Watched {
        is_whole: bool,
    },
}

/// What the task has sent of a pod.
struct Sent {
    /// The key of the pod.
    key: Box<str>,
    /// Its containers.
    containers: Vec<ContainerId>,
}

/// Keeps the caches in step with the server.
struct Reflector {
    task: Task,
    /// The pods that the task has sent to the caches, by the server's uid.
    pods: FxHashMap<Box<str>, Sent>,
    reason: Once,
    is_up: bool,
    pace: Pace,
}

impl Reflector {
    async fn run(&mut self, access: &Access) {
        let options = self.task.options.clone();
        let mut api: Option<Api> = None;
        let mut next = Version::FromCache;
        while !self.task.updates.is_closed() {
            let result = match &mut api {
                Some(api) => self.step(api, &mut next).await,
                None => match access.api(&options).await {
                    Ok(new) => {
                        api = Some(new);
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
            };
            let failure = match result {
                Ok(Step::Listed) => continue,
                Ok(Step::Watched { is_whole: true }) => {
                    sleep(self.pace.after_a_whole_watch()).await;
                    continue;
                }
                Ok(Step::Watched { is_whole: false }) => {
                    sleep(self.pace.after_a_short_watch()).await;
                    continue;
                }
                Err(failure) => failure,
            };
            self.note(&failure).await;
            match failure {
                Failure::Expired => {
                    // A server whose cache is behind would return an expired version again.
                    next = match next {
                        Version::After(_) => Version::FromCache,
                        Version::FromCache | Version::Newest => Version::Newest,
                    };
                }
                // A new client reads the token anew and opens a connection of its own.
                Failure::Unauthorized
                | Failure::Forbidden(_)
                | Failure::Late(_)
                | Failure::Idle(_)
                | Failure::Broken(_)
                | Failure::Other(_) => api = None,
                Failure::Throttled(_) => {}
            }
            sleep(self.pace.after(&failure)).await;
        }
    }

    /// Does a LIST or a WATCH, and sets `next` to the step that follows, also after a failure.
    async fn step(&mut self, api: &mut Api, next: &mut Version) -> Result<Step, Failure> {
        let Version::After(last) = next else {
            count(&self.task.counters.kube_lists_total);
            let (pods, version) = api.list(next).await?;
            self.pace.answered();
            self.replace(pods).await;
            *next = Version::After(version);
            return Ok(Step::Listed);
        };
        count(&self.task.counters.kube_watches_total);
        let mut watch = api.watch(last).await?;
        self.pace.answered();
        self.up().await;
        while let Some(change) = watch.next().await? {
            self.pace.heard();
            let version = match change {
                Change::Applied(pod) => {
                    let version = pod.metadata.resource_version.clone();
                    self.apply(*pod).await;
                    version
                }
                Change::Deleted(pod) => {
                    self.delete(&pod.metadata.uid).await;
                    pod.metadata.resource_version
                }
                Change::Bookmark(version) => version,
                Change::Unreadable => {
                    count(&self.task.counters.kube_invalid_total);
                    continue;
                }
            };
            if !version.is_empty() {
                *last = version;
            }
        }
        Ok(Step::Watched {
            is_whole: watch.is_whole(),
        })
    }

    /// Takes the list of all pods: every other pod is gone.
    async fn replace(&mut self, pods: Vec<PodObject>) {
        let mut gone = std::mem::take(&mut self.pods);
        for pod in pods {
            gone.remove(&*pod.metadata.uid);
            self.apply(pod).await;
        }
        for pod in gone.into_values() {
            self.forget(pod).await;
        }
        self.up().await;
    }

    async fn apply(&mut self, pod: PodObject) {
        count(&self.task.counters.kube_objects_total);
        let (key, trimmed) = pod.trim(&self.task.options.annotations, &self.task.counters);
        if key.is_empty() {
            count(&self.task.counters.kube_invalid_total);
            return;
        }
        let described = Arc::new(trimmed);
        let containers = pod.containers(&described);
        let sent = Sent {
            key: key.clone(),
            containers: containers.iter().map(|container| container.id).collect(),
        };
        let former = self.pods.insert(pod.metadata.uid.into(), sent);
        let pod = Box::new(Arc::unwrap_or_clone(Arc::clone(&described)));
        let updates = &self.task.updates;
        updates.send(Update::Pod { key, pod }).await;
        let mut former = former.map(|former| former.containers).unwrap_or_default();
        for container in containers {
            if let Some(at) = former.iter().position(|id| *id == container.id) {
                former.swap_remove(at);
                continue;
            }
            let update = Update::Container {
                origin: self.origin(),
                detail: Detail::Pod,
                epoch: 0,
                // The API server learns of a container after its start, and does not say when it
                // was created.
                created: 0,
                container: Box::new(container),
            };
            updates.send(update).await;
        }
        self.end(former).await;
    }

    async fn delete(&mut self, uid: &str) {
        count(&self.task.counters.kube_objects_total);
        if let Some(pod) = self.pods.remove(uid) {
            self.forget(pod).await;
        }
    }

    async fn forget(&self, Sent { key, containers }: Sent) {
        self.task.updates.send(Update::PodGone { key }).await;
        self.end(containers).await;
    }

    /// Sends that containers have ended.
    async fn end(&self, containers: Vec<ContainerId>) {
        let (origin, at) = (self.origin(), boot_now());
        for id in containers {
            self.task
                .updates
                .send(Update::Gone { origin, id, at })
                .await;
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            source: self.task.source,
            namespace: 0,
        }
    }

    async fn up(&mut self) {
        self.task.health.set_kube(Some(true));
        if !std::mem::replace(&mut self.is_up, true) {
            let source = self.task.source;
            self.task.updates.send(Update::SourceUp { source }).await;
            self.reason.reset();
            let pods = self.pods.len();
            self.task.health.notice(Notice::KubeUp { pods });
        }
    }

    /// Counts a failure, and sends a notice if the reason is new.
    async fn note(&mut self, failure: &Failure) {
        let counters = &self.task.counters;
        let counter = match failure {
            Failure::Expired => &counters.kube_expired_total,
            Failure::Unauthorized => &counters.kube_unauthorized_total,
            Failure::Forbidden(_) => &counters.kube_forbidden_total,
            Failure::Throttled(_) => &counters.kube_throttled_total,
            Failure::Late(_) | Failure::Idle(_) => &counters.kube_idle_total,
            Failure::Broken(_) | Failure::Other(_) => &counters.kube_failures_total,
        };
        count(counter);
        // These failures are part of normal operation and pass by themselves.
        if matches!(
            failure,
            Failure::Expired | Failure::Late(_) | Failure::Idle(_) | Failure::Broken(_)
        ) {
            return;
        }
        self.task.health.set_kube(Some(false));
        if std::mem::take(&mut self.is_up) {
            self.task.down().await;
        }
        let reason = failure.to_string();
        if self.reason.is_news(&reason) {
            self.task.health.notice(Notice::KubeDown { reason });
        }
    }
}
