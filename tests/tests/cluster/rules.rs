//! Rules of the user's own, in a `ConfigMap`.

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::cluster::until;

use crate::{
    shared::{Installed, Shared, cluster},
    ticker::Ticker,
};

const GOOD: &str = "- rule: A tick\n  desc: A program of a ticker.\n  condition: evt.type = execve and proc.args startswith tick\n  output: tick %proc.args\n  priority: Notice\n";
const BROKEN: &str = "- rule: A tick\n  desc: A program of a ticker.\n  condition: evt.type = execve and (\n  output: tick\n  priority: Notice\n";

impl Shared {
    /// Gives the sensor these rules beside the shipped ones.
    pub(crate) fn set_rules(&self, text: &str) -> Result<()> {
        let indented: Vec<_> = text.lines().map(|line| format!("    {line}\n")).collect();
        let indented = indented.concat();
        self.cluster.apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: sensor-custom-rules, namespace: sensor}}\n\
             data:\n  custom.yaml: |\n{indented}"
        ))
    }

    pub(crate) fn remove_rules(&self) -> Result<()> {
        let delete = ["-n", "sensor", "delete", "configmap", "sensor-custom-rules"];
        self.cluster.kubectl(&delete).map(drop)
    }
}

/// The lines of [`GOOD`]'s rule about a ticker.
fn lines_of_the_rule(shared: &Shared, pod: &str) -> Result<usize> {
    let of_the_pod = |line: &&Value| line["output_fields"]["k8s.pod.name"] == pod;
    let lines = shared.lines("\"rule\":\"A tick\"")?;
    Ok(lines.iter().filter(of_the_pod).count())
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn broken_rules_in_a_config_map_leave_the_good_ones_at_work() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    let ticker = Ticker::start(&shared, "rules")?;
    shared.set_rules(GOOD)?;
    until("the new rule matches", || {
        Ok((lines_of_the_rule(&shared, "rules")? > 0).then_some(()))
    })?;
    shared.set_rules(BROKEN)?;
    let process = shared.process()?;
    until("the log names the broken file", || {
        Ok(shared.log()?.contains("custom.yaml").then_some(()))
    })?;
    let before = lines_of_the_rule(&shared, "rules")?;
    ticker.some_more()?;
    let after = lines_of_the_rule(&shared, "rules")?;
    let same = shared.process()?;
    shared.remove_rules()?;
    ensure!(after > before, "the good rule has matched nothing more");
    ensure!(same == process, "the sensor was started again");
    ticker.end()?;
    Ok(())
}

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn a_restart_with_broken_rules_leaves_a_sensor_that_sees() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    shared.set_rules(BROKEN)?;
    let process = shared.process()?;
    shared.cluster.kubectl(&[
        "-n",
        "sensor",
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/name=sensor",
    ])?;
    let other = until("another process", || {
        Ok(Some(shared.process()?).filter(|found| *found != process))
    });
    let ticker = other.and_then(|_| Ticker::start(&shared, "restart"));
    shared.remove_rules()?;
    ticker?.end()?.nothing_is_missing()
}
