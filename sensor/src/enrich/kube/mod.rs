//! Pods of this node from the API server.

use std::sync::Arc;

use super::{Counters, Health, KubeOptions, metadata::Updates};

/// What the task needs.
pub(super) struct Task {
    pub(super) options: KubeOptions,
    pub(super) updates: Updates,
    pub(super) counters: Arc<Counters>,
    pub(super) health: Arc<Health>,
}

/// Runs until the capture thread is gone.
pub(super) async fn run(task: Task) {
    let _ = task;
}
