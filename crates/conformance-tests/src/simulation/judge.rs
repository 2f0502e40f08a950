//! What the contracts say about a deployment that has been acted out: from the clients' side, and from
//! the accounts that the server gives of itself.
//!
//! It knows the scenario, what each client saw, and when the parts of the world did something; of the
//! server it knows what it answers. Whatever it does not judge, it says why, where it does not.

mod accounts;
mod ends;
mod facts;
mod messages;
mod order;
mod promptness;
mod refusals;
mod server;

use self::facts::Facts;
use super::scenario::Scenario;
use super::visit::Visit;
use super::world::Ledger;

/// Everything that was not as it should have been, each with the number of the contract.
pub(super) fn judge(scenario: &Scenario, ledger: &Ledger, visits: &[Visit]) -> Vec<String> {
    let facts = Facts::new(scenario, ledger, visits);
    let mut faults = Vec::new();
    for visit in visits {
        let outrages = visit.outrages.iter();
        faults.extend(outrages.map(|outrage| format!("{}: {outrage}", visit.name)));
    }
    ends::judge(&facts, &mut faults);
    refusals::judge(&facts, &mut faults);
    order::judge(&facts, &mut faults);
    promptness::judge(&facts, &mut faults);
    messages::judge(&facts, &mut faults);
    accounts::judge(&facts, &mut faults);
    server::judge(&facts, &mut faults);
    faults
}
