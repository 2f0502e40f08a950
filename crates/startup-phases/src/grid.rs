//! Fixed intervals that do not drift.

use std::time::{Duration, Instant};

/// Points in time at a fixed distance from each other, anchored at the first one.
///
/// However long the work between two of them takes, the next one is where it always was: nothing
/// drifts, and points that were missed are skipped, never made up for in a bunch.
///
/// ```
/// # use std::time::Duration;
/// # use startup_phases::Grid;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let t0 = tokio::time::Instant::now().into_std();
/// let ms = Duration::from_millis;
/// let grid = Grid::new(t0, ms(100));
/// assert_eq!(grid.next_after(t0), t0 + ms(100));
/// assert_eq!(grid.next_after(t0 + ms(250)), t0 + ms(300));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    t0: Instant,
    interval: Duration,
}

/// Stands in for points that an `Instant` cannot express.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

impl Grid {
    /// The points `t0`, `t0 + interval`, `t0 + 2 * interval` and so on.
    ///
    /// # Panics
    ///
    /// If `interval` is zero: such a grid has no next point.
    #[must_use]
    pub fn new(t0: Instant, interval: Duration) -> Self {
        assert!(!interval.is_zero(), "a grid needs an interval above zero");
        Self { t0, interval }
    }

    /// The first point strictly later than `now`. Before the anchor, that is the anchor.
    ///
    /// Where the point is too far away for an `Instant`, one thirty years away stands in for it.
    #[must_use]
    pub fn next_after(&self, now: Instant) -> Instant {
        let Some(elapsed) = now.checked_duration_since(self.t0) else {
            return self.t0;
        };
        let into = Duration::from_nanos_u128(elapsed.as_nanos() % self.interval.as_nanos());
        now.checked_add(self.interval - into).unwrap_or(now + FAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t0() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn a_point_is_strictly_later_and_on_the_grid() {
        let (t0, interval) = (t0(), Duration::from_millis(7));
        let grid = Grid::new(t0, interval);
        for micros in 0..30_000 {
            let now = t0 + Duration::from_micros(micros);
            let next = grid.next_after(now);
            assert!(next > now && next - now <= interval);
            assert_eq!((next - t0).as_nanos() % interval.as_nanos(), 0);
        }
    }

    #[test]
    fn missed_points_are_skipped() {
        let t0 = t0();
        let grid = Grid::new(t0, Duration::from_millis(100));
        let late = t0 + Duration::from_millis(1_234);
        assert_eq!(grid.next_after(late), t0 + Duration::from_millis(1_300));
    }

    #[test]
    fn before_the_anchor_the_next_point_is_the_anchor() {
        let now = t0();
        let anchor = now + Duration::from_secs(1);
        assert_eq!(
            Grid::new(anchor, Duration::from_millis(3)).next_after(now),
            anchor
        );
    }

    #[test]
    fn an_interval_beyond_all_time_does_not_overflow() {
        let t0 = t0();
        assert!(Grid::new(t0, Duration::MAX).next_after(t0) > t0);
    }

    #[test]
    #[should_panic(expected = "above zero")]
    fn an_interval_of_zero_is_refused() {
        let _ = Grid::new(t0(), Duration::ZERO);
    }
}
