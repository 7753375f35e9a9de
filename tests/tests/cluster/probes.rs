//! The processes that the kubelet and the runtime start in a container by themselves.

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::cluster::until;

use crate::shared::{Installed, cluster};

const RULE: &str = "- rule: Execs of the probed pod\n  desc: All of them.\n  condition: evt.type = execve and k8s.pod.name = probed\n  output: >-\n    %proc.cmdline %proc.is_container_liveness_probe %proc.is_container_readiness_probe %proc.is_container_runtime\n  priority: Notice\n";

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: probed
    image: docker.io/testbed/tools:1
    command: ["sh", "-c", "while :; do ls /etc; sleep 1; done"]
    livenessProbe: {exec: {command: ["ls", "/"]}, periodSeconds: 1}
    readinessProbe: {exec: {command: ["ls", "/bin"]}, periodSeconds: 1}
"#;

#[test]
#[ignore = "`cargo xtask test cluster` runs it"]
fn probes_and_the_runtimes_own_execs_are_marked_and_no_others() -> Result<()> {
    let shared = cluster(Installed::Kustomize)?;
    shared.set_rules(RULE)?;
    let made = shared.cluster.apply(POD);
    let of = |command: &str| -> Result<Vec<Value>> {
        let lines = shared.lines("\"rule\":\"Execs of the probed pod\"")?;
        let fields = lines.into_iter().map(|line| line["output_fields"].clone());
        Ok(fields.filter(|f| f["proc.cmdline"] == command).collect())
    };
    let all = made.and_then(|()| {
        until("probes and the pod's own program", || {
            let all = (of("ls /")?, of("ls /bin")?, of("ls /etc")?);
            let enough = all.0.len() >= 3 && all.1.len() >= 3 && all.2.len() >= 3;
            Ok(enough.then_some(all))
        })
    });
    let runtime = of("runc init");
    shared.remove_rules()?;
    let delete = ["delete", "pod", "probed", "--wait=false"];
    shared.cluster.kubectl(&delete)?;
    let (live, ready, own) = all?;
    let is = |fields: &Value, marks: [bool; 3]| {
        fields["proc.is_container_liveness_probe"] == marks[0]
            && fields["proc.is_container_readiness_probe"] == marks[1]
            && fields["proc.is_container_runtime"] == marks[2]
    };
    for (lines, marks) in [
        (live, [true, false, false]),
        (ready, [false, true, false]),
        (own, [false, false, false]),
        (runtime?, [false, false, true]),
    ] {
        for fields in lines {
            ensure!(is(&fields, marks), "{marks:?}: {fields}");
        }
    }
    Ok(())
}
