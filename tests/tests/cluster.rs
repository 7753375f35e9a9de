//! The sensor in a real Kubernetes, installed as the pages of `deploy/` say.
//!
//! `cargo xtask test cluster` builds the cluster's programs and the sensor's image, and runs these
//! tests; they share one cluster, and one of them has a cluster of its own, in which nothing happens.

#[path = "cluster/quiet.rs"]
mod a_quiet_node;
#[path = "cluster/faults.rs"]
mod faults;
#[path = "cluster/install.rs"]
mod install;
#[path = "cluster/probes.rs"]
mod probes;
#[path = "cluster/rights.rs"]
mod rights;
#[path = "cluster/rules.rs"]
mod rules;
#[path = "cluster/shared.rs"]
mod shared;
#[path = "cluster/ticker.rs"]
mod ticker;
#[path = "cluster/two_nodes.rs"]
mod two_nodes;
