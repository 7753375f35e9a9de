//! The rights that the API server gives the sensor.

use anyhow::Result;

use crate::{
    shared::{Installed, cluster, overlay},
    ticker::Ticker,
};

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn nothing_is_lost_while_the_sensor_may_not_list_pods() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    shared
        .cluster
        .kubectl(&["delete", "clusterrolebinding", "sensor"])?;
    // A watch that is open stays open: only a new connection is refused.
    shared
        .cluster
        .kubectl(&["-n", "sensor", "rollout", "restart", "daemonset/sensor"])?;
    shared.ready()?;
    let without = Ticker::start(&shared, "without-rights");
    // Gives the rights back also after a failure: other tests need them.
    shared
        .cluster
        .kubectl(&["apply", "-k", &overlay("privileged")])?;
    without?.end()?.nothing_is_missing()?;
    Ticker::start(&shared, "with-rights")?
        .end()?
        .nothing_is_missing()
}
