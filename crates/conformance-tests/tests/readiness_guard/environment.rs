//! G3: how long a wait may take, and where the process runs.

use std::future::pending;

use readiness_guard::{ReadinessCheck, Reason, Tier};
use startup_phases::Phase;
use tokio::time::sleep;

use crate::{
    Answer, complete, config, environment, guard_of, is_not_ready, ms, never_started, production,
    stuck_in,
};

#[test]
fn g3_environment_detection_follows_the_table() {
    use Tier::{Development, Local, Production, Staging, Test};
    let on_cloud_run = ("K_SERVICE", "chat");
    let said = |name| ("ENVIRONMENT", name);
    for (vars, tier, cloud_run, warnings) in [
        (&[][..], Production, false, 0),
        (&[said("local")], Local, false, 0),
        (&[said("test")], Test, false, 0),
        (&[said("testing")], Test, false, 0),
        (&[said("development")], Development, false, 0),
        (&[said("Dev")], Development, false, 0),
        (&[said("STAGING")], Staging, false, 0),
        (&[said("production")], Production, false, 0),
        (&[said("prod")], Production, false, 0),
        (&[said("moon")], Production, false, 1),
        (&[on_cloud_run], Production, true, 0),
        (&[on_cloud_run, said("staging")], Staging, true, 0),
        (&[on_cloud_run, said("dev")], Development, true, 0),
        (&[on_cloud_run, said("local")], Production, true, 1),
        (&[on_cloud_run, said("testing")], Production, true, 1),
        (&[on_cloud_run, said("moon")], Production, true, 1),
    ] {
        let found = environment(vars);
        let seen = (found.tier(), found.is_cloud_run(), found.warnings().len());
        assert_eq!(seen, (tier, cloud_run, warnings), "{vars:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g3_a_wait_ends_exactly_at_the_limit_of_its_environment() {
    let on_cloud_run = ("K_SERVICE", "chat");
    let said = |name| ("ENVIRONMENT", name);
    for (vars, minimum, limit) in [
        (&[said("local")][..], Phase::Services, ms(1000)),
        (&[said("test")], Phase::Services, ms(1000)),
        (&[said("development")], Phase::Services, ms(3000)),
        (&[said("staging")], Phase::Services, ms(3000)),
        (&[said("production")], Phase::Services, ms(5000)),
        (&[], Phase::Services, ms(5000)),
        (&[on_cloud_run], Phase::Services, ms(8000)),
        (&[on_cloud_run], Phase::Finalize, ms(8000)),
        (&[on_cloud_run], Phase::Cache, ms(5000)),
        (&[on_cloud_run, said("staging")], Phase::Websocket, ms(8000)),
        (&[on_cloud_run, said("staging")], Phase::Database, ms(3000)),
    ] {
        let guard = guard_of(stuck_in(Phase::Init), config(vars).minimum_phase(minimum));
        sleep(ms(1)).await; // the startup has reported
        let why = is_not_ready(guard.wait().await);
        assert_eq!(
            (why.observation.elapsed, why.reason()),
            (limit, Reason::PhaseTimeout),
            "{vars:?}"
        );
    }
}

#[test]
fn g3_the_multiplier_stretches_every_limit() {
    let limit = |vars: &[_]| config(vars).timeout_multiplier(2.5).time_limit();
    assert_eq!(limit(&[("ENVIRONMENT", "local")]), ms(2500));
    assert_eq!(limit(&[]), ms(12_500));
    assert_eq!(limit(&[("K_SERVICE", "chat")]), ms(20_000));
}

#[tokio::test(start_paused = true)]
async fn g3_an_explicit_limit_wins_over_everything() {
    let (_sequence, silent) = never_started();
    for phases in [stuck_in(Phase::Init), silent] {
        let config = config(&[("K_SERVICE", "chat")])
            .timeout_multiplier(3.0)
            .timeout(ms(700));
        let why = is_not_ready(guard_of(phases, config).wait().await);
        assert_eq!(why.observation.elapsed, ms(700));
    }
}

#[tokio::test(start_paused = true)]
async fn g3_a_check_that_hangs_does_not_stretch_the_limit() {
    let hung = ReadinessCheck::new("hung", pending::<Answer>).timeout(ms(60_000));
    let guard = guard_of(complete().await, production()).check(hung);
    let why = is_not_ready(guard.wait().await);
    assert_eq!(
        (why.observation.elapsed, why.reason()),
        (ms(5000), Reason::CheckFailed)
    );
}
