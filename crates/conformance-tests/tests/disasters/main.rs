//! The known disasters: what has happened to others who held connections, each played here on the
//! real queue or the real server, and each with the contracts that stand against it.
//!
//! | what happened | where | against it | here |
//! | --- | --- | --- | --- |
//! | the route returned once it had queued the socket, so the queued connection died: nobody was ever served from the queue | the first implementation of this idea | Q1, S3 | [`first_implementation`] |
//! | "not ready?" and "queue it" were two steps; startup that completed in between stranded the client | the first implementation | Q1 | [`releases`], and `ws_server/crowds.rs` with a real startup |
//! | a release that misses the last arrival: requests stuck in front of idle servers until their full limit | HAProxy, issue 3290 | Q1, Q5 | [`releases`] |
//! | two semaphores that disagree: capacity drifts with whoever is queued again | Knative, its re-enqueue | Q2, Q9, Q10 | [`turmoil`] |
//! | everyone released to the first replica at once | KEDA HTTP add-on, issue 1038 | Q5 | [`pacing`] |
//! | short-lived clients that arrive forever while nothing is ready: memory grows without end | Knative, issue 13583 | Q3, S7 | `disasters_memory.rs`, in a process of its own |
//! | clients of the queue were closed with 1011 when a check failed at their release | the first implementation | S5, G9 | [`first_implementation`] |
//! | release was serial, up to 8 s each | the first implementation | S3, Q5 | [`first_implementation`] |
//! | every waiting connection polled everything by itself | the first implementation | G7 | `ws_server/readiness.rs`: `g7_one_guard_looks_whatever_the_number_of_clients` |
//! | a phase counted as reached when it was entered, so services were ready while they were starting | the first implementation | P2, S2 | `startup_phases/order.rs`: `p2_a_phase_is_not_reached_while_a_critical_step_runs`; `ws_server/opening.rs`: `s2_a_phase_that_is_entered_opens_nothing` |
//! | expired entries were removed only when the next client came | the first implementation | Q6 | `ws_queue/ending.rs`: `q6_a_place_ends_at_its_limit_when_nothing_else_happens` |
//! | capacity was checked before the dead were swept, so the living were refused | the first implementation | Q2 | `ws_queue/entering.rs`: `q2_q3_the_places_of_the_dead_are_reclaimed_before_a_newcomer_is_refused` |
//! | after a failed startup the held were left to time out | the first implementation | P6, Q4, S8 | `ws_queue/ending.rs`: `q4_everyone_held_is_told_of_a_failure_at_once`; `ws_server/failing.rs`: `s8_the_held_are_refused_at_once_and_the_port_answers_for_a_moment` |
//! | outside the cloud the guard said "ready" without looking | the first implementation | G8 | `readiness_guard/unseen.rs`: `g8_no_environment_answers_ready_without_having_looked` |

mod first_implementation;
mod pacing;
mod releases;
mod turmoil;

use std::sync::Arc;
use std::time::Duration;

use ws_queue::{Entry, HoldQueue, Ticket};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn held(queue: &HoldQueue<()>, connection: &Arc<()>) -> Ticket<()> {
    match queue.enter(connection) {
        Entry::Held(ticket) => ticket,
        other => panic!("it should be held: {other:?}"),
    }
}
