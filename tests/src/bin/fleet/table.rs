//! The table of the measurement, in Markdown.

use std::fmt::Write as _;

use super::audit::Requests;

/// What one span of time cost.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) seconds: f64,
    pub(super) requests: Requests,
    /// Bytes to the servers, and to the agents.
    pub(super) bytes: (u64, u64),
    /// LISTs of the agents that the server's cache answered.
    pub(super) from_cache: f64,
    /// LISTs of pods that reached etcd.
    pub(super) from_etcd: f64,
    /// CPU time of the API server and of etcd, in seconds.
    pub(super) cpu: (f64, f64),
    /// Anonymous memory of the API server at the end, in MiB.
    pub(super) memory: f64,
    /// What of it was in use after the last garbage collection, in MiB.
    pub(super) heap: f64,
}

/// All rows.
pub(super) fn table(agents: u32, rows: &[Row]) -> String {
    let mut out = String::from(
        "| | seconds | LIST | from the cache | WATCH | refused | most agents in one second | to the server | \
         to the agents | LISTs from etcd | CPU of the API server | CPU of etcd | memory of the API server | in use |\n\
         |---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in rows {
        let refused: Vec<String> = row
            .requests
            .refused
            .iter()
            .map(|(code, count)| format!("{count} × {code}"))
            .collect();
        let refused = if refused.is_empty() {
            "0".to_owned()
        } else {
            refused.join(", ")
        };
        let worst = row.requests.worst_second;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let (share, mib) = (worst as f64 * 100.0 / f64::from(agents), |bytes: u64| {
            bytes as f64 / f64::from(1 << 20)
        });
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "| {} | {:.1} | {} | {} | {} | {refused} | {worst} ({share:.1} %) | {:.2} MiB | {:.2} MiB | {} | \
             {:.2} s | {:.2} s | {:.0} MiB | {:.0} MiB |",
            row.name,
            row.seconds,
            row.requests.lists,
            row.from_cache,
            row.requests.watches,
            mib(row.bytes.0),
            mib(row.bytes.1),
            row.from_etcd,
            row.cpu.0,
            row.cpu.1,
            row.memory,
            row.heap,
        );
    }
    out
}
