//! One connection to a runtime, whichever it is: events, a snapshot of all containers, and answers
//! to questions.

use std::{convert::Infallible, future::Future, sync::atomic::Ordering, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use rustc_hash::FxHashSet;
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at},
};

use super::{Error, Socket, Task};
use crate::{ContainerId, Notice, caches::Update, counters::count};

/// Most questions at a time.
const CONCURRENT: usize = 64;
/// How often the task checks whether the socket is still the same file.
const CHECK: Duration = Duration::from_secs(2);

/// The result of a finished question.
pub(crate) enum Done {
    /// The question of an event that waits; whether the runtime knows the container.
    Asked(ContainerId, Result<bool, Error>),
    /// A question that no event waits for.
    Announced(Result<(), Error>),
    /// The snapshot of all containers; how many there were.
    Snapshot(Result<usize, Error>),
}

/// What a runtime's API can do. Whatever it learns of containers, it sends to the caches itself.
pub(crate) trait Api: Sync {
    /// The open stream of the runtime's events.
    type Stream: Send;
    /// An event of the runtime.
    type Event: Send;

    /// The task that uses this connection.
    fn task(&self) -> &Task;

    /// Opens the stream of events.
    fn subscribe(&self) -> impl Future<Output = Result<Self::Stream, Error>> + Send;

    /// The next event. The future may be dropped before it is ready, and loses nothing then.
    fn next(stream: &mut Self::Stream) -> impl Future<Output = Result<Self::Event, Error>> + Send;

    /// Handles an event; returns the question that follows from it.
    fn event(&self, event: Self::Event)
    -> impl Future<Output = Option<BoxFuture<'_, Done>>> + Send;

    /// Sends all containers there are; returns how many.
    fn list(&self, epoch: u32) -> impl Future<Output = Result<usize, Error>> + Send;

    /// Looks for a container and sends it; returns whether there is one.
    fn find(&self, id: ContainerId) -> impl Future<Output = Result<bool, Error>> + Send;

    /// The work that follows the first snapshot, if there is any.
    fn after_snapshot(&self) -> Option<BoxFuture<'_, Done>> {
        None
    }

    /// How often to list all containers again; never where events announce every container.
    fn relist(&self) -> Option<Duration> {
        None
    }
}

/// Serves until the connection ends; returns why, and whether the connection was ever ready.
pub(super) async fn serve(
    api: &impl Api,
    socket: &Socket,
    questions: &mut mpsc::Receiver<ContainerId>,
    outstanding: &mut FxHashSet<ContainerId>,
) -> (Error, bool) {
    let mut ready = false;
    let error = match run(api, socket, questions, outstanding, &mut ready).await {
        Ok(never) => match never {},
        Err(error) => error,
    };
    (error, ready)
}

async fn run(
    api: &impl Api,
    socket: &Socket,
    questions: &mut mpsc::Receiver<ContainerId>,
    outstanding: &mut FxHashSet<ContainerId>,
    ready: &mut bool,
) -> Result<Infallible, Error> {
    // containerd sends the head of its answer with the first event, so the work until then must
    // not wait for the head.
    let mut subscribing = std::pin::pin!(api.subscribe());
    let mut events = None;
    let mut work: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    work.push(Box::pin(snapshot(api)));
    for id in outstanding.iter() {
        work.push(Box::pin(answer(api, *id)));
    }
    let mut check = interval_at(Instant::now() + CHECK, CHECK);
    let mut listed = Instant::now();
    let mut checks = 0u32;
    loop {
        tokio::select! {
            stream = &mut subscribing, if events.is_none() => events = Some(stream?),
            event = next(api, events.as_mut()), if events.is_some() && work.len() < 4 * CONCURRENT => {
                count(&api.task().counters.runtime_events_total);
                if let Some(question) = api.event(event?).await {
                    work.push(question);
                }
            }
            Some(done) = work.next(), if !work.is_empty() => {
                if let Some(again) = finish(api, done, outstanding, ready, socket).await? {
                    work.push(again);
                }
            }
            Some(id) = questions.recv(), if work.len() < CONCURRENT => {
                if outstanding.insert(id) {
                    work.push(Box::pin(answer(api, id)));
                }
            }
            _ = check.tick() => {
                checks += 1;
                let again = api.relist().is_some_and(|pause| listed.elapsed() >= pause);
                // The second snapshot has containers that came and went between the first one and
                // the subscription.
                if checks == 1 || again {
                    listed = Instant::now();
                    work.push(Box::pin(snapshot(api)));
                }
                if api.task().updates.is_closed() {
                    return Err(Error::StreamEnded);
                }
                if socket.was_replaced() {
                    return Err(Error::Replaced);
                }
            }
        }
    }
}

/// The next event of the stream, if it is open; otherwise never ready.
async fn next<A: Api>(_: &A, stream: Option<&mut A::Stream>) -> Result<A::Event, Error> {
    match stream {
        Some(stream) => A::next(stream).await,
        None => std::future::pending().await,
    }
}

async fn answer(api: &impl Api, id: ContainerId) -> Done {
    Done::Asked(id, api.find(id).await)
}

async fn snapshot(api: &impl Api) -> Done {
    let task = api.task();
    let epoch = task.epoch.fetch_add(1, Ordering::Relaxed) + 1;
    let listed = api.list(epoch).await;
    if listed.is_ok() {
        let source = task.source;
        task.updates
            .send(Update::SnapshotDone { source, epoch })
            .await;
    }
    Done::Snapshot(listed)
}

/// Handles a finished question; returns what the task must ask again.
async fn finish<'a>(
    api: &'a impl Api,
    done: Done,
    outstanding: &mut FxHashSet<ContainerId>,
    ready: &mut bool,
    socket: &Socket,
) -> Result<Option<BoxFuture<'a, Done>>, Error> {
    let task = api.task();
    let source = task.source;
    match done {
        Done::Asked(id, Ok(found)) => {
            outstanding.remove(&id);
            if !found {
                task.updates.send(Update::Missing { source, id }).await;
            }
        }
        Done::Asked(id, Err(Error::Timeout(_))) => {
            count(&task.counters.runtime_lookup_failures_total);
            return Ok(Some(Box::pin(answer(api, id))));
        }
        Done::Announced(Err(Error::Timeout(_))) => {
            count(&task.counters.runtime_lookup_failures_total);
        }
        Done::Asked(_, Err(error)) | Done::Announced(Err(error)) => {
            count(&task.counters.runtime_lookup_failures_total);
            return Err(error);
        }
        Done::Announced(Ok(())) => {}
        Done::Snapshot(containers) => {
            let containers = containers?;
            if !*ready {
                *ready = true;
                task.updates.send(Update::SourceUp { source }).await;
                task.health.connected(source);
                task.health.notice(Notice::RuntimeUp {
                    engine: task.engine,
                    socket: socket.path().to_owned(),
                    containers,
                });
                return Ok(api.after_snapshot());
            }
        }
    }
    Ok(None)
}
