//! What the API server's audit log says about the agents' requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tests::cluster::ControlPlane;

/// The agents' user, as the manifests name it.
const USER: &str = "system:serviceaccount:sensor:sensor";

/// The API server's audit log.
pub(super) struct Audit(PathBuf);

/// One stage of a request.
struct Stage {
    node: String,
    verb: String,
    reached: String,
    code: u64,
    /// When the server had the request: `2026-11-27T10:00:00.123456Z`.
    received: String,
}

/// The requests of a span of time.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) lists: usize,
    /// LISTs that the server answered.
    pub(super) answered: usize,
    pub(super) watches: usize,
    /// Requests that the server refused, by the status of the answer.
    pub(super) refused: BTreeMap<u64, usize>,
    /// Most nodes that asked in one second.
    pub(super) worst_second: usize,
}

impl Audit {
    /// Writes the policy that the log follows.
    pub(super) fn new(plane: &ControlPlane) -> Result<Self> {
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
            "rules": [{"level": "Metadata", "users": [USER]}, {"level": "None"}],
        });
        fs::write(plane.dir().join("audit.yaml"), policy.to_string())?;
        Ok(Self(plane.dir().join("audit.log")))
    }

    /// Options of the API server.
    pub(super) fn options(&self) -> Vec<String> {
        let policy = self.0.with_extension("yaml");
        vec![
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", self.0.display()),
            "--audit-log-maxsize=1000".to_owned(),
        ]
    }

    /// The length of the log so far: what comes later is behind this mark.
    pub(super) fn mark(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |log| log.len())
    }

    /// The stages behind a mark. The last line may be half written.
    fn stages(&self, mark: u64) -> Result<Vec<Stage>> {
        let bytes = fs::read(&self.0).unwrap_or_default();
        let new = bytes.get(usize::try_from(mark)?..).unwrap_or_default();
        let text = String::from_utf8_lossy(new);
        let whole = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
        whole.map(stage).collect()
    }

    /// The number of nodes whose watch has begun behind a mark.
    pub(super) fn watching(&self, mark: u64) -> Result<usize> {
        let stages = self.stages(mark)?;
        let begun = |stage: &&Stage| {
            stage.verb == "watch" && stage.reached == "ResponseStarted" && stage.code == 200
        };
        let nodes: BTreeSet<&str> = stages
            .iter()
            .filter(begun)
            .map(|stage| stage.node.as_str())
            .collect();
        Ok(nodes.len())
    }

    /// The requests behind a mark.
    pub(super) fn requests(&self, mark: u64) -> Result<Requests> {
        let mut requests = Requests::default();
        let mut seconds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for stage in self.stages(mark)? {
            match stage.reached.as_str() {
                "RequestReceived" => {
                    match stage.verb.as_str() {
                        "watch" => requests.watches += 1,
                        _ => requests.lists += 1,
                    }
                    let second = stage.received.get(..19).unwrap_or_default();
                    seconds
                        .entry(second.to_owned())
                        .or_default()
                        .insert(stage.node);
                }
                "ResponseComplete" if stage.code == 200 && stage.verb == "list" => {
                    requests.answered += 1;
                }
                "ResponseComplete" if stage.code >= 400 => {
                    *requests.refused.entry(stage.code).or_default() += 1;
                }
                _ => {}
            }
        }
        requests.worst_second = seconds.values().map(BTreeSet::len).max().unwrap_or(0);
        Ok(requests)
    }
}

/// Reads a line of the log.
fn stage(line: &str) -> Result<Stage> {
    let event: Value = serde_json::from_str(line).context("a line of the audit log")?;
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    // `sensor/VERSION (NODE)`
    let agent = text("userAgent");
    let node = agent.split(['(', ')']).nth(1).unwrap_or_default();
    Ok(Stage {
        node: node.to_owned(),
        verb: text("verb"),
        reached: text("stage"),
        code: event["responseStatus"]["code"].as_u64().unwrap_or(0),
        received: text("requestReceivedTimestamp"),
    })
}
