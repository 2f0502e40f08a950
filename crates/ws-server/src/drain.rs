//! The orderly end, as the live connections see it: each is told to stop at its own moment (S9).
//!
//! Told all at once, they would all come back at once, to a successor that has just begun. So they
//! are told one after the other, in order of arrival.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

/// The longest time between two: ten a second are no crowd, so a few need not wait for the drain
/// time to pass.
const LONGEST_GAP: Duration = Duration::from_millis(100);

/// What a live connection is told when the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The code to close with.
    pub(crate) code: CloseCode,
    /// Until when what had been accepted may still be worked on.
    pub(crate) work_until: Instant,
}

/// Which connection is told when: evenly over the first three quarters of the drain time, the
/// first one at once, and no two further apart than 100 ms. The last quarter is for the last ones'
/// close handshakes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    code: CloseCode,
    begin: Instant,
    /// Between two connections.
    gap: Duration,
    /// When everybody is told who has not been yet.
    last: Instant,
    end: Instant,
}

impl Schedule {
    /// For so many `live` connections, all of which have to be gone by `end`.
    pub(crate) fn spread(code: CloseCode, begin: Instant, end: Instant, live: usize) -> Self {
        let over = (end - begin) * 3 / 4;
        let live = u32::try_from(live).unwrap_or(u32::MAX).max(1);
        Self {
            code,
            begin,
            gap: LONGEST_GAP.min(over / live),
            last: begin + over,
            end,
        }
    }

    /// Everybody at once, and no work is waited for.
    pub(crate) fn at_once(code: CloseCode, now: Instant) -> Self {
        Self::spread(code, now, now, 0)
    }

    /// When the connection is told that so many others were told before.
    fn moment(&self, before: u32) -> Instant {
        let waits = self.gap.checked_mul(before);
        let moment = waits.and_then(|waits| self.begin.checked_add(waits));
        moment.map_or(self.last, |moment| moment.min(self.last))
    }

    /// What it is told: half of what is left is for work, the other half for the close handshake.
    fn stop(&self, now: Instant) -> Stop {
        Stop {
            code: self.code,
            work_until: now + self.end.saturating_duration_since(now) / 2,
        }
    }
}

/// Tells every live connection to stop.
#[derive(Default)]
pub(crate) struct Drain {
    live: Arc<Live>,
    over: CancellationToken,
}

#[derive(Default)]
struct Live {
    /// Those who have not been told, by number: in order of arrival.
    untold: Mutex<BTreeMap<u64, oneshot::Sender<Stop>>>,
    came: Notify,
}

impl Drain {
    /// The view of connection `id`, which is live from now on.
    pub(crate) fn watch(&self, id: u64) -> Stopping {
        let (tell, told) = oneshot::channel();
        self.live.untold.lock().insert(id, tell);
        self.live.came.notify_one();
        Stopping {
            id,
            live: Arc::clone(&self.live),
            told,
            is_awaited: false,
        }
    }

    /// How many are live and have not been told.
    pub(crate) fn untold(&self) -> usize {
        self.live.untold.lock().len()
    }

    /// Tells everyone at the moment that the schedule says, whoever goes live meanwhile too.
    pub(crate) async fn tell(&self, schedule: &Schedule) -> Infallible {
        let mut told = 0;
        loop {
            sleep_until(schedule.moment(told)).await;
            let next = self.live.untold.lock().pop_first();
            match next {
                Some((_, tell)) => {
                    // Whoever has ended in this moment need not know any more.
                    let _ = tell.send(schedule.stop(Instant::now()));
                    told = told.saturating_add(1);
                }
                None => {
                    self.live.came.notified().await;
                    // Its first message is on its way to a server that has just taken it in.
                    let soon = Instant::now() + LONGEST_GAP;
                    sleep_until(soon.min(schedule.last)).await;
                }
            }
        }
    }

    /// The time is over: whoever is left is dropped.
    pub(crate) fn end(&self) {
        self.over.cancel();
    }

    /// Resolves when the time is over.
    pub(crate) async fn over(&self) {
        self.over.cancelled().await;
    }
}

/// One connection's view of the drain.
pub(crate) struct Stopping {
    id: u64,
    live: Arc<Live>,
    told: oneshot::Receiver<Stop>,
    /// What is told wakes the task that polls this.
    is_awaited: bool,
}

impl Stopping {
    /// Resolves when the connection has to stop; not to be polled again after that, and always by the
    /// same task.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if self.is_awaited && self.told.is_empty() {
            return Poll::Pending;
        }
        self.is_awaited = true;
        // However much the task has done in this turn: what was not polled wakes nobody.
        match unconstrained(&mut self.told).poll_unpin(cx) {
            Poll::Ready(Ok(stop)) => Poll::Ready(stop),
            // Only `drop` takes the other half away unused.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.live.untold.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::future::{join, join_all};
    use tokio::time::sleep;

    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// When each of `live` is told, counted from the begin of a drain of 8 s.
    fn moments(live: usize) -> Vec<Duration> {
        let begin = Instant::now();
        let schedule = Schedule::spread(CloseCode::Away, begin, begin + secs(8), live);
        let moments = (0..live as u32).map(|before| schedule.moment(before) - begin);
        moments.collect()
    }

    #[tokio::test]
    async fn many_are_told_evenly_over_three_quarters_of_the_time() {
        let told = moments(500);
        assert_eq!(told[0], Duration::ZERO);
        assert!(told.windows(2).all(|two| two[1] - two[0] == secs(6) / 500));
        assert_eq!(
            moments(1_000_000).last(),
            Some(&Duration::from_micros(5_999_994))
        );
    }

    #[tokio::test]
    async fn few_do_not_wait_for_the_drain_time_to_pass() {
        assert_eq!(moments(1), [Duration::ZERO]);
        assert_eq!(moments(3), [0, 100, 200].map(Duration::from_millis));
    }

    #[tokio::test]
    async fn half_of_what_is_left_is_for_work() {
        let begin = Instant::now();
        let schedule = Schedule::spread(CloseCode::Restart, begin, begin + secs(8), 1);
        let at = |after| schedule.stop(begin + secs(after)).work_until - begin;
        assert_eq!([at(0), at(6)], [secs(4), secs(7)]);
        let at_once = Schedule::at_once(CloseCode::Away, begin);
        assert_eq!(at_once.moment(7), begin);
        assert_eq!(at_once.stop(begin).work_until, begin);
    }

    #[tokio::test(start_paused = true)]
    async fn tells_in_order_of_arrival_whoever_is_live_by_then() {
        let drain = Drain::default();
        let begin = Instant::now();
        let told = |id| {
            let mut stopping = drain.watch(id);
            async move {
                poll_fn(|cx| stopping.poll(cx)).await;
                (id, begin.elapsed())
            }
        };
        let early = join_all([told(7), told(3)]);
        drop(told(5));
        assert_eq!(drain.untold(), 2);
        let schedule = Schedule::spread(CloseCode::Away, begin, begin + secs(8), 2);
        let late = async {
            sleep(Duration::from_millis(150)).await;
            let soon = told(8).await;
            sleep(secs(2)).await;
            let later = told(9).await;
            sleep(secs(4)).await;
            [soon, later, told(10).await]
        };
        let told = tokio::select! {
            never = drain.tell(&schedule) => match never {},
            told = join(early, late) => told,
        };
        let ms = Duration::from_millis;
        assert_eq!(told.0, [(7, ms(100)), (3, ms(0))]);
        assert_eq!(told.1, [(8, ms(200)), (9, ms(2300)), (10, ms(6300))]);
        assert_eq!(drain.untold(), 0);
    }
}
