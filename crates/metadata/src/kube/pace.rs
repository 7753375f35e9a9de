//! When one node's task asks the API server again.
//!
//! All nodes of a cluster lose the API server at the same moment, so no node may come back at a
//! moment that follows from the loss. The first request after a loss comes at any moment of
//! `backoff_max`, each further one after half to all of that time: whenever the server is back,
//! about 1.25 % of the nodes ask in one second. An API server that has just started lets requests
//! wait for seconds, and refuses others: it knows no roles yet (403), or its cache is empty (429).
//!
//! Some causes concern one node alone, which asks again sooner: an expired version or token; a WATCH
//! without a message for a time that is another one on each node; and something between that node
//! and the server, such as a load balancer, that cuts each WATCH after the same time.

use std::time::Duration;

use tokio::time::Instant;

use super::api::Failure;
use crate::{KubeOptions, backoff};

/// A WATCH that ends sooner counts as failed.
const SHORT: Duration = Duration::from_secs(1);

/// Shortest time after which something between node and server cuts a WATCH.
const LIMIT: Duration = Duration::from_secs(5);
/// How far the times of two cuts by the same limit are apart.
const ALIKE: Duration = Duration::from_millis(500);

/// The pauses between the requests.
pub(super) struct Pace {
    own: backoff::Backoff,
    longest: Duration,
    /// When the server answered, unless a request has failed since.
    answered: Option<Instant>,
    /// When the last message came.
    heard: Instant,
    former: Option<Cut>,
    /// Whether a request has failed since the server's last answer for a reason that other nodes
    /// share.
    is_away: bool,
}

/// The end of a WATCH before its time.
#[derive(Clone, Copy)]
struct Cut {
    /// Since the server's answer.
    life: Duration,
    /// Since the last message.
    silence: Duration,
}

impl Cut {
    /// Whether the same limit can have caused both: one of the life of a connection, or one of the
    /// time without a message.
    fn is_like(self, other: Self) -> bool {
        let alike = |one: Duration, other: Duration| {
            one.min(other) >= LIMIT && one.abs_diff(other) <= ALIKE
        };
        alike(self.life, other.life) || alike(self.silence, other.silence)
    }
}

impl Pace {
    pub(super) fn new(options: &KubeOptions) -> Self {
        Self {
            own: backoff::Backoff::new(options.backoff_min, options.backoff_max),
            longest: options.backoff_max,
            answered: None,
            heard: Instant::now(),
            former: None,
            is_away: false,
        }
    }

    /// The server has answered a request.
    pub(super) fn answered(&mut self) {
        self.answered = Some(Instant::now());
        self.is_away = false;
        self.heard();
    }

    /// A message of a WATCH has come.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// The pause after a WATCH that the server kept open for as long as the task had asked.
    pub(super) fn after_a_whole_watch(&mut self) -> Duration {
        self.settle();
        self.own.pause()
    }

    /// The pause after a WATCH that the server ended early, as it does when it stops.
    pub(super) fn after_a_short_watch(&mut self) -> Duration {
        let Some(answered) = self.answered else {
            return self.away();
        };
        let cut = Cut {
            life: answered.elapsed(),
            silence: self.heard.elapsed(),
        };
        self.settle();
        let former = self.former.replace(cut);
        if former.is_some_and(|former| cut.is_like(former)) {
            self.own.pause()
        } else {
            self.away()
        }
    }

    /// The pause after a failure.
    pub(super) fn after(&mut self, failure: &Failure) -> Duration {
        if let Failure::Broken(_) = failure {
            return self.after_a_short_watch();
        }
        self.settle();
        match failure {
            Failure::Expired | Failure::Unauthorized | Failure::Idle(_) => self.own.pause(),
            Failure::Throttled(after) => after.unwrap_or_default().min(self.longest) + self.away(),
            Failure::Forbidden(_) | Failure::Late(_) | Failure::Broken(_) | Failure::Other(_) => {
                self.away()
            }
        }
    }

    /// Lets the node's own pauses begin anew if the last answer was good for a while.
    fn settle(&mut self) {
        if self.answered.take().is_some_and(|at| at.elapsed() >= SHORT) {
            self.own.reset();
        }
    }

    fn away(&mut self) -> Duration {
        if std::mem::replace(&mut self.is_away, true) {
            self.longest / 2 + backoff::part_of(self.longest / 2)
        } else {
            backoff::part_of(self.longest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes of the fleet.
    const NODES: usize = 2_000;
    /// Most of them that may ask in one second: half of what is promised, since requests wait for a
    /// server that has just started.
    const MOST: usize = NODES / 40;

    fn pace() -> Pace {
        Pace::new(&KubeOptions::default())
    }

    fn refused() -> Failure {
        Failure::Other("connection refused".into())
    }

    /// For each second after `outage`, how many nodes ask for the first time since the server is
    /// back.
    fn returns(outage: Duration) -> Vec<usize> {
        let mut seconds = vec![0; 400];
        for _ in 0..NODES {
            let mut pace = pace();
            pace.answered();
            let mut at = pace.after(&Failure::Broken("end of the connection".into()));
            while at < outage {
                at += pace.after(&refused());
            }
            seconds[usize::try_from(at.saturating_sub(outage).as_secs()).unwrap()] += 1;
        }
        seconds
    }

    #[test]
    fn after_an_outage_of_any_length_the_worst_second_has_a_fortieth_of_the_fleet() {
        for outage in [0, 1, 5, 20, 60, 121, 150, 180, 600] {
            let seconds = returns(Duration::from_secs(outage));
            let worst = seconds.iter().max().copied().unwrap_or_default();
            assert!(worst <= MOST, "{outage} s: {worst} of {NODES}");
            assert_eq!(seconds.iter().sum::<usize>(), NODES);
        }
    }

    #[test]
    fn an_orderly_end_of_the_server_counts_as_its_loss() {
        let mut seconds = vec![0; 121];
        for _ in 0..NODES {
            let mut pace = pace();
            pace.answered();
            let pause = pace.after_a_short_watch();
            seconds[usize::try_from(pause.as_secs()).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|nodes| *nodes <= MOST), "{seconds:?}");
    }

    #[test]
    fn a_server_that_asks_for_a_pause_gets_at_least_that() {
        let second = Duration::from_secs(1);
        for _ in 0..100 {
            assert!(pace().after(&Failure::Throttled(Some(second))) >= second);
        }
    }

    #[test]
    fn what_concerns_one_node_is_tried_again_sooner_and_then_more_rarely() {
        let mut pace = pace();
        let pauses: Vec<_> = (0..9).map(|_| pace.after(&Failure::Unauthorized)).collect();
        assert!(pauses[0] <= Duration::from_millis(500), "{pauses:?}");
        assert!(pauses[8] >= Duration::from_secs(30), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_between_node_and_server_is_waited_out_once() {
        let second = Duration::from_secs(1);
        // The connection's life is limited; the last message came at another time.
        let mut by_life = pace();
        // The time without a message is limited; the messages before it differ.
        let mut by_silence = pace();
        for (before, silence) in [(40, 10), (20, 30), (35, 15)] {
            by_life.answered();
            tokio::time::advance(second * before).await;
            by_life.heard();
            tokio::time::advance(second * silence).await;
            let pause = by_life.after(&Failure::Broken("cut".into()));
            assert!(before == 40 || pause <= second, "{pause:?}");
            by_silence.answered();
            tokio::time::advance(second * before).await;
            by_silence.heard();
            tokio::time::advance(second * 50).await;
            let pause = by_silence.after_a_short_watch();
            assert!(before == 40 || pause <= second, "{pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_cuts_after_different_times_are_two_losses_of_the_server() {
        let second = Duration::from_secs(1);
        let mut pauses = Vec::new();
        for _ in 0..20 {
            let mut pace = pace();
            for life in [30, 70] {
                pace.answered();
                tokio::time::advance(second * life).await;
                pauses.push(pace.after(&Failure::Broken("cut".into())));
            }
        }
        assert!(
            pauses.iter().any(|pause| *pause > second * 30),
            "{pauses:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_fails_at_once_does_not_begin_the_pauses_anew() {
        let mut pace = pace();
        for _ in 0..9 {
            pace.answered();
            let _ = pace.after(&Failure::Expired);
        }
        assert!(pace.after(&Failure::Expired) >= Duration::from_secs(30));
        pace.answered();
        tokio::time::advance(SHORT).await;
        assert!(pace.after(&Failure::Expired) <= Duration::from_millis(500));
    }
}
