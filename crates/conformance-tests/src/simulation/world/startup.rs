//! The startup of a simulated deployment.

use std::sync::Arc;

use startup_phases::{Sequence, SequenceBuilder, Step};
use tokio::time::sleep;

use super::super::scenario::{PlannedStep, StepEnd};
use super::World;

pub(super) fn sequence(world: &Arc<World>) -> Sequence {
    let steps = world.scenario.steps.iter().enumerate();
    let steps = steps.map(|(index, planned)| step(world, index, planned.clone()));
    let builder = steps.fold(Sequence::builder(), SequenceBuilder::step);
    builder.build().expect("the steps have different names")
}

fn step(world: &Arc<World>, index: usize, planned: PlannedStep) -> Step {
    let phase = planned.phase;
    let name = planned.name.clone();
    let (critical, undoing) = (planned.critical, planned.undoing);
    let of_step = Arc::clone(world);
    let step = Step::new(phase, name.clone(), move || {
        perform(of_step, index, planned)
    });
    let step = if critical { step } else { step.optional() };
    let Some(takes) = undoing else { return step };
    let world = Arc::clone(world);
    step.on_stop(move || async move {
        world.story.tells(name, "is undone");
        world.ledger.lock().undone.push(index);
        sleep(takes).await;
        Ok::<(), &str>(())
    })
}

async fn perform(
    world: Arc<World>,
    index: usize,
    planned: PlannedStep,
) -> Result<(), &'static str> {
    let PlannedStep {
        phase,
        name,
        takes,
        end,
        ..
    } = planned;
    let began = world
        .story
        .tells(&name, format_args!("begins, of phase {phase}"));
    world.ledger.lock().steps.push((index, began, None));
    sleep(takes).await;
    let ended = world.story.tells(&name, format_args!("ends: {end:?}"));
    let mut ledger = world.ledger.lock();
    let mut records = ledger.steps.iter_mut();
    if let Some(record) = records.find(|(it, ..)| *it == index) {
        record.2 = Some(ended);
    }
    drop(ledger);
    match end {
        StepEnd::Well => Ok(()),
        StepEnd::Fails => Err("it fails on purpose"),
        StepEnd::Panics => panic!("on purpose"),
    }
}
