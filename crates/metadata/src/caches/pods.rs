//! Pods, as their sandboxes and the API server describe them.

use std::sync::Arc;

use telemetry::Lookups;

use crate::{BoundedCache, CacheOptions, ContainerId, Pod};

/// A pod and its containers.
#[derive(Debug, Default)]
struct State {
    pod: Arc<Pod>,
    /// The runtime told of it: its name and namespace are the runtime's.
    from_runtime: bool,
    /// The API server told of it, so that the sandbox's labels are older.
    from_api: bool,
    /// When the API server deleted it.
    gone: Option<u64>,
    members: Vec<ContainerId>,
}

/// All pods, by their uid as the runtime knows it.
#[derive(Debug)]
pub(super) struct Pods {
    states: BoundedCache<Box<str>, State>,
    /// From so many on, pods without a container go.
    many: usize,
}

impl Pods {
    /// No pod yet. A pod that has a container stays as long as the container: beyond the most
    /// pods there can be as many as there are containers.
    pub(super) fn new(options: &CacheOptions) -> Self {
        Self {
            states: BoundedCache::new(options.pods.saturating_add(options.containers)),
            many: options.pods,
        }
    }

    /// A container of the pod is there; `view` is what the runtime tells of the
    /// pod (labels, if the container is its sandbox). Gives the pod with all
    /// that is known, and whether its other containers must be told.
    pub(super) fn join(&mut self, id: ContainerId, view: &Arc<Pod>) -> (Arc<Pod>, bool) {
        let state = self.state(&view.uid);
        if !state.members.contains(&id) {
            state.members.push(id);
        }
        let is_other = state.from_api
            && (state.pod.name != view.name || state.pod.namespace != view.namespace);
        if !state.from_runtime && (!state.from_api || is_other) {
            // What the API server told under this uid is of another pod: somebody
            // wrote a static pod's hash into the annotations of his own.
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

    /// The API server's description; whether the pod's containers must be told.
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

    /// The API server deleted it.
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

    /// A container of the pod was forgotten.
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

    /// Forgets pods without a container, if there are too many pods: those told longest ago first.
    pub(super) fn make_room(&mut self) {
        let excess = self.states.len().saturating_sub(self.many);
        if excess > 0 {
            let most = excess + self.many / 8;
            self.states
                .evict_where(most, |_, state| state.members.is_empty());
        }
    }

    /// What is known of a pod, perhaps nothing yet.
    fn state(&mut self, key: &str) -> &mut State {
        self.states.touch_or_insert_with(key.into(), State::default)
    }

    /// How many pods were forgotten to make room.
    pub(super) fn lookups(&self) -> Lookups {
        self.states.lookups()
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }
}
