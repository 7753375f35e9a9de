//! Pods, as their sandboxes and the API server describe them.

use std::sync::Arc;

use telemetry::Lookups;

use crate::{BoundedCache, CacheOptions, ContainerId, Pod};

/// A pod and its containers.
#[derive(Debug, Default)]
struct State {
    pod: Arc<Pod>,
    /// The runtime reported the pod: its name and namespace are those of the runtime.
    from_runtime: bool,
    /// The API server reported the pod, so the labels of the sandbox are older.
    from_api: bool,
    /// When the API server deleted it.
    gone: Option<u64>,
    members: Vec<ContainerId>,
}

/// All pods, by their uid as the runtime knows it.
#[derive(Debug)]
pub(super) struct Pods {
    states: BoundedCache<Box<str>, State>,
    /// Above this number of pods, pods without a container leave.
    many: usize,
}

impl Pods {
    /// No pod. A pod stays as long as it has a container, so there can be as many pods as
    /// containers, even above `max`.
    pub(super) fn new(options: &CacheOptions) -> Self {
        Self {
            states: BoundedCache::new(options.pods.saturating_add(options.containers)),
            many: options.pods,
        }
    }

    /// Adds a container of a pod; `view` is what the runtime says about the pod (with labels, if
    /// the container is the sandbox), or what the API server says. Returns the pod with everything
    /// that is known, and whether its other containers need the new description.
    pub(super) fn join(
        &mut self,
        id: ContainerId,
        view: &Arc<Pod>,
        by_runtime: bool,
    ) -> (Arc<Pod>, bool) {
        let state = self.state(&view.uid);
        if !state.members.contains(&id) {
            state.members.push(id);
        }
        if !by_runtime {
            // The API server has described the pod itself before.
            return (Arc::clone(&state.pod), false);
        }
        let is_other = state.from_api
            && (state.pod.name != view.name || state.pod.namespace != view.namespace);
        if !state.from_runtime && (!state.from_api || is_other) {
            // The description that the API server gave for this uid is of another pod: somebody
            // wrote the hash of a static pod into the annotations of his own pod.
            state.from_api = false;
            state.pod = Arc::clone(view);
        } else if view.labels_text.is_some() && !state.from_api && **view != *state.pod {
            let mut pod = (*state.pod).clone();
            pod.labels.clone_from(&view.labels);
            pod.labels_text.clone_from(&view.labels_text);
            state.pod = Arc::new(pod);
        } else {
            state.from_runtime = true;
            return (Arc::clone(&state.pod), false);
        }
        state.from_runtime = true;
        (Arc::clone(&state.pod), state.members.len() > 1)
    }

    /// Takes the description of the API server; returns whether the containers of the pod need it.
    pub(super) fn describe(&mut self, key: Box<str>, pod: Pod) -> bool {
        let state = self.state(&key);
        if state.from_runtime
            && (state.pod.name != pod.name || state.pod.namespace != pod.namespace)
        {
            return false;
        }
        state.from_api = true;
        state.gone = None;
        let pod = Pod { uid: key, ..pod };
        if pod == *state.pod {
            return false;
        }
        state.pod = Arc::new(pod);
        !state.members.is_empty()
    }

    /// Marks a pod as deleted by the API server.
    pub(super) fn gone(&mut self, key: &str, now: u64) {
        if let Some(state) = self.states.peek_mut(key) {
            state.gone = Some(now);
        }
    }

    /// A pod and its containers.
    pub(super) fn get(&self, key: &str) -> Option<(&Arc<Pod>, &[ContainerId])> {
        let state = self.states.peek(key)?;
        Some((&state.pod, &state.members))
    }

    /// Removes a container that the cache has forgotten from its pod.
    pub(super) fn leave(&mut self, id: &ContainerId, key: &str) {
        if let Some(state) = self.states.peek_mut(key) {
            state.members.retain(|member| member != id);
            if state.members.is_empty() && !state.from_api {
                self.states.remove(key);
            }
        }
    }

    /// Forgets pods that were deleted before a time and have no container left.
    pub(super) fn tidy(&mut self, before: u64) {
        self.states
            .retain(|_, s| !(s.members.is_empty() && s.gone.is_some_and(|gone| gone <= before)));
        self.states.shrink();
    }

    /// Forgets pods without a container while there are too many pods, those with the oldest
    /// description first.
    pub(super) fn make_room(&mut self) {
        let excess = self.states.len().saturating_sub(self.many);
        if excess > 0 {
            let most = excess + self.many / 8;
            self.states
                .evict_where(most, |_, state| state.members.is_empty());
        }
    }

    /// The description of a pod, perhaps still empty.
    fn state(&mut self, key: &str) -> &mut State {
        self.states.touch_or_insert_with(key.into(), State::default)
    }

    /// The number of pods that made room.
    pub(super) fn lookups(&self) -> Lookups {
        self.states.lookups()
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }
}
