//! Readiness checks: what must hold beside the phase.

use std::error::Error;
use std::fmt;
use std::iter;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

/// How long one check may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(1);

type Answer = Result<(), Box<dyn Error + Send + Sync>>;

/// A named question whose answer must be yes before a connection is served.
///
/// ```
/// # use std::time::Duration;
/// # use readiness_guard::ReadinessCheck;
/// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
/// let upstream = ReadinessCheck::new("upstream", || async { ping().await })
///     .timeout(Duration::from_millis(500))
///     .after_startup();
/// ```
pub struct ReadinessCheck {
    name: String,
    critical: bool,
    after_startup: bool,
    timeout: Duration,
    ask: Mutex<Box<dyn FnMut() -> BoxFuture<'static, Answer> + Send>>,
    /// What the last answer complained about; none when it was yes, or nobody asked yet.
    complaint: Mutex<Option<String>>,
}

impl ReadinessCheck {
    /// A critical check, asked at each look of a wait. The name is what verdicts call it by.
    ///
    /// A panic is a no. Checks of one look run at the same time, and may be dropped unfinished: when
    /// their time is up, and when whoever waits on the guard stops waiting.
    pub fn new<F, Fut, E>(name: impl Into<String>, mut ask: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self {
            name: name.into(),
            critical: true,
            after_startup: false,
            timeout: TIMEOUT,
            ask: Mutex::new(Box::new(move || {
                let answer = ask();
                async move { answer.await.map_err(Into::into) }.boxed()
            })),
            complaint: Mutex::new(None),
        }
    }

    /// A no is only a warning. Default: critical, a no keeps the guard waiting. Its answer is waited for
    /// all the same, so give one that may hang a short [`timeout`](Self::timeout).
    #[must_use]
    pub fn optional(self) -> Self {
        Self {
            critical: false,
            ..self
        }
    }

    /// Goes on being asked once the guard was ready, so that readiness can be lost (see
    /// [`ReadinessGuard::lost`](crate::ReadinessGuard::lost)). Default: asked while waiting only.
    #[must_use]
    pub fn after_startup(self) -> Self {
        Self {
            after_startup: true,
            ..self
        }
    }

    /// How long one answer may take; none by then is a no. Default 1 s: the guard looks at nothing else
    /// meanwhile. At the end of a wait's own limit it is cut off earlier.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_critical(&self) -> bool {
        self.critical
    }

    pub(crate) fn is_asked_after_startup(&self) -> bool {
        self.after_startup
    }

    pub(crate) fn complaint(&self) -> Option<String> {
        self.complaint.lock().clone()
    }

    /// Asks once. Whether the answer was a yes, in time; either way it is remembered.
    pub(crate) async fn ask(&self, now: Instant, cut_off: Option<Instant>) -> bool {
        let left = cut_off.map(|cut_off| cut_off.duration_since(now));
        let limit = left.map_or(self.timeout, |left| left.min(self.timeout));
        let answer = async {
            let answer = (self.ask.lock())();
            answer.await
        };
        // Polled before its time is looked at: an answer at hand counts even with no time left.
        let answer = timeout(limit, AssertUnwindSafe(answer).catch_unwind()).await;
        let complaint = match answer {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(with_causes(error.as_ref())),
            Ok(Err(_panic)) => Some("panicked".to_owned()),
            Err(_elapsed) => Some(format!("no answer within {limit:?}")),
        };
        let yes = complaint.is_none();
        *self.complaint.lock() = complaint;
        yes
    }
}

/// Many errors print their cause themselves, many do not: no text is to be missing or said twice.
fn with_causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    for cause in iter::successors(error.source(), |&error| error.source()) {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

impl fmt::Debug for ReadinessCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessCheck")
            .field("name", &self.name)
            .field("critical", &self.critical)
            .field("after_startup", &self.after_startup)
            .field("timeout", &self.timeout)
            .field("complaint", &self.complaint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    /// What it says, and what it came from.
    #[derive(Debug)]
    struct Caused(&'static str, fmt::Error);

    impl fmt::Display for Caused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Caused {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = fmt::Error.to_string();
        let silent = Caused("no answer", fmt::Error);
        assert_eq!(with_causes(&silent), format!("no answer: {cause}"));
        let talkative = "no answer (an error occurred when formatting an argument)";
        assert!(talkative.contains(&cause));
        assert_eq!(with_causes(&Caused(talkative, fmt::Error)), talkative);
    }

    async fn answer_of(check: &ReadinessCheck, cut_off: Duration) -> (bool, Option<String>) {
        let now = Instant::now();
        let yes = check.ask(now, Some(now + cut_off)).await;
        (yes, check.complaint())
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_never_answers_is_a_no_at_its_own_limit() {
        let check =
            ReadinessCheck::new("hung", pending::<Answer>).timeout(Duration::from_millis(40));
        let answer = answer_of(&check, Duration::from_secs(9)).await;
        assert_eq!(answer, (false, Some("no answer within 40ms".to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_is_cut_off_at_the_limit_of_the_wait() {
        let check = ReadinessCheck::new("hung", pending::<Answer>).timeout(Duration::MAX);
        let answer = answer_of(&check, Duration::from_millis(7)).await;
        assert_eq!(answer, (false, Some("no answer within 7ms".to_owned())));
    }

    #[tokio::test]
    async fn an_answer_at_hand_counts_even_with_no_time_left() {
        let check = ReadinessCheck::new("quick", || ready(Ok::<(), String>(())));
        assert_eq!(answer_of(&check, Duration::ZERO).await, (true, None));
    }

    #[tokio::test]
    async fn a_panic_is_a_no_and_the_next_answer_replaces_it() {
        let mut calls = 0;
        let check = ReadinessCheck::new("shaky", move || {
            calls += 1;
            assert!(calls > 1, "not the first time");
            ready(Ok::<(), String>(()))
        });
        let first = answer_of(&check, Duration::from_secs(1)).await;
        assert_eq!(first, (false, Some("panicked".to_owned())));
        assert_eq!(
            answer_of(&check, Duration::from_secs(1)).await,
            (true, None)
        );
    }
}
