//! A startup that goes as far as a test lets it.

use std::collections::BTreeMap;
use std::time::Duration;

use startup_phases::{Phase, Sequence, SequenceBuilder, Step};
use tokio::sync::oneshot;

/// Longer than any test waits, in virtual time too.
const LONG: Duration = Duration::from_secs(86_400);

/// Ends the steps of a startup by hand. Dropped, it ends those that are left as failed.
#[derive(Debug)]
pub struct Hand(BTreeMap<Phase, oneshot::Sender<Result<(), &'static str>>>);

/// A startup with one critical step in each of these phases, named after its phase, that ends when
/// the hand says so.
pub fn by_hand(phases: impl IntoIterator<Item = Phase>) -> (SequenceBuilder, Hand) {
    let mut hand = BTreeMap::new();
    let steps = phases.into_iter().map(|phase| {
        let (end, ended) = oneshot::channel();
        hand.insert(phase, end);
        let work = || async { ended.await.unwrap_or(Err("nobody ended it")) };
        Step::new(phase, phase.as_str(), work).timeout(LONG)
    });
    let builder = steps.fold(Sequence::builder(), SequenceBuilder::step);
    (builder, Hand(hand))
}

impl Hand {
    /// The step of this phase ends well.
    pub fn finish(&mut self, phase: Phase) {
        self.end(phase, Ok(()));
    }

    /// The step of this phase fails.
    pub fn fail(&mut self, phase: Phase, why: &'static str) {
        self.end(phase, Err(why));
    }

    fn end(&mut self, phase: Phase, outcome: Result<(), &'static str>) {
        let end = self.0.remove(&phase).expect("a phase that has not ended");
        // A startup that was given up does not care any more.
        let _ = end.send(outcome);
    }
}
