//! The agents: the sensor's own tasks, without what feeds on them.

use std::{
    io::{Read as _, stdin},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use anyhow::Result;
use metadata::{
    Counters, KubeAccess, KubeOptions, Metadata, MetadataOptions, MetadataTasks, RuntimeOptions,
    boot_now, start,
};

use super::node;

/// How often an agent's caches take what its task has sent.
const TAKE: Duration = Duration::from_millis(100);

/// Starts the agents at once; they stay until standard input ends.
pub(super) fn run(kubeconfig: &Path, agents: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut caches: Vec<(Metadata, MetadataTasks)> = (0..agents)
        .map(|number| {
            let options = MetadataOptions {
                runtimes: RuntimeOptions::at([]),
                kube: KubeOptions {
                    access: KubeAccess::Kubeconfig(kubeconfig.to_owned()),
                    node: Some(node(number)),
                    ..KubeOptions::default()
                },
                ..MetadataOptions::default()
            };
            // As in the sensor, each agent has counters of its own.
            let counters = Arc::<Counters>::default();
            start(options, runtime.handle(), &counters, Arc::new(|_| ()))
        })
        .collect::<Result<_, _>>()?;
    let has_ended = Arc::<AtomicBool>::default();
    let ended = Arc::clone(&has_ended);
    thread::spawn(move || {
        let _ = stdin().read(&mut [0]);
        ended.store(true, Relaxed);
    });
    while !has_ended.load(Relaxed) {
        for (metadata, _) in &mut caches {
            metadata.apply_updates(boot_now());
        }
        thread::sleep(TAKE);
    }
    let pods: usize = caches.iter().map(|(metadata, _)| metadata.len().1).sum();
    println!("{pods}");
    Ok(())
}
