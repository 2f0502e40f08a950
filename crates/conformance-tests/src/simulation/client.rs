//! A client as an actor, which sees nothing but its own socket.

mod asking;
mod hearing;
mod saying;

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until, timeout};

pub(super) use self::asking::ask;
use self::hearing::Hearing;
use self::saying::Saying;
use super::link::{self, Nature, link};
use super::scenario::{Caller, Errand, How, Leave, When};
use super::story::{Moment, Story};
use super::visit::{Closed, End, Name, Visit};
use super::world::World;

/// How long somebody who has said goodbye waits for the end: longer than any part of the server waits
/// for anything then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does what client `number` of the scenario came for.
pub(super) async fn client(world: Arc<World>, number: usize) -> Vec<Visit> {
    let plan = &world.scenario.clients[number];
    sleep(plan.at).await;
    let mut visits = Vec::new();
    let mut name = Name {
        client: number,
        attempt: 0,
    };
    loop {
        let visit = match &plan.errand {
            Errand::WebSocket(caller) => call(&world, name, caller).await,
            Errand::Page { method, path, body } => ask(&world, name, method, path, *body).await,
        };
        let again = match &plan.errand {
            Errand::WebSocket(caller) if name.attempt < caller.returns => comes_again(&visit),
            _ => None,
        };
        visits.push(visit);
        let Some(wait) = again else { return visits };
        sleep(wait).await;
        if world.story.moment().at >= world.scenario.horizon {
            return visits;
        }
        name.attempt += 1;
    }
}

/// When a client that was turned away has been asked to come again.
fn comes_again(visit: &Visit) -> Option<Duration> {
    if let Some(answer) = &visit.answer
        && let Some(seconds) = answer.retry_after
    {
        return Some(Duration::from_secs(seconds));
    }
    match &visit.closed {
        Some(Closed {
            code: 1013, reason, ..
        }) => {
            let wait = reason.strip_prefix("retry_after_ms=")?.parse().ok()?;
            Some(Duration::from_millis(wait))
        }
        Some(Closed {
            code: 1001 | 1012, ..
        }) => Some(Duration::from_millis(10)),
        _ => None,
    }
}

/// One connection at work.
pub(super) struct Call<'a> {
    story: &'a Story,
    name: Name,
    caller: &'a Caller,
    end: link::End,
    saying: Mutex<Saying>,
    hearing: Mutex<Hearing>,
    /// There is something to be written.
    to_write: Notify,
    /// Something was heard.
    news: Notify,
}

/// Where it came to on the network; `None` where nobody listens.
fn connect(world: &World, name: Name, nature: Nature) -> Option<link::End> {
    if world.has_ended() {
        return None;
    }
    let seed = world.scenario.seed ^ ((name.client as u64) << 20) ^ u64::from(name.attempt);
    let [mine, servers] = link(nature, seed, &world.story, 1);
    let ip = Ipv4Addr::new(10, 0, (name.client >> 8) as u8, name.client as u8);
    world.network.hand_over(servers, IpAddr::from(ip));
    Some(mine)
}

async fn call(world: &World, name: Name, caller: &Caller) -> Visit {
    let nature = Nature {
        window: caller.window,
        segment: caller.segment,
        hesitation: world.scenario.hesitation,
    };
    let Some(end) = connect(world, name, nature) else {
        return nobody_there(&world.story, name, None);
    };
    let connected = world.story.tells(name, "connects");
    let call = Call {
        story: &world.story,
        name,
        caller,
        end,
        saying: Mutex::default(),
        hearing: Mutex::default(),
        to_write: Notify::new(),
        news: Notify::new(),
    };
    let (left, end) = call.until_its_end(world).await;
    call.into_visit(connected, left, end)
}

impl Call<'_> {
    async fn until_its_end(&self, world: &World) -> (Option<(How, Moment)>, End) {
        let horizon = world.story.instant(world.scenario.horizon);
        let left = tokio::select! {
            biased;
            ended = self.listen() => return (None, ended),
            how = self.leaves() => Some(how),
            () = sleep_until(horizon) => None,
            never = self.write() => match never {},
            never = self.follow_script() => match never {},
        };
        // Whoever has no WebSocket by the horizon gives up; whoever has one says goodbye.
        if left.is_none() && self.hearing.lock().is_open() {
            self.say_goodbye(1000);
            return (None, self.listen_on().await);
        }
        let how = left.unwrap_or(How::Closes);
        let what = match how {
            How::Closes => "leaves",
            How::Resets => "leaves with a reset",
            How::Vanishes => "vanishes",
            How::ShutsSending => "shuts its sending side",
        };
        let moment = self.story.tells(self.name, what);
        let end = match how {
            How::Closes | How::Resets => {
                self.end.close(how == How::Resets);
                End::Left
            }
            How::Vanishes => {
                // Until the system gives the connection up.
                sleep_until(horizon.max(tokio::time::Instant::now()) + PATIENCE).await;
                self.end.close(true);
                End::Left
            }
            How::ShutsSending => {
                self.end.shut();
                self.listen_on().await
            }
        };
        (Some((how, moment)), end)
    }

    /// Nothing is said any more but what is queued.
    async fn listen_on(&self) -> End {
        let ended = timeout(PATIENCE, async {
            tokio::select! {
                biased;
                ended = self.listen() => ended,
                never = self.write() => match never {},
            }
        });
        ended.await.unwrap_or(End::Ignored)
    }

    async fn leaves(&self) -> How {
        let Some(Leave { when, how }) = self.caller.leaves else {
            return pending().await;
        };
        match when {
            When::AfterConnecting(after) => sleep(after).await,
            When::AfterItsAnswer(after) => {
                self.wait_until(Hearing::is_answered).await;
                sleep(after).await;
            }
        }
        how
    }

    /// Waits until what was heard says so.
    async fn wait_until(&self, enough: impl Fn(&Hearing) -> bool) {
        loop {
            let news = self.news.notified();
            if enough(&self.hearing.lock()) {
                return;
            }
            news.await;
        }
    }

    fn into_visit(self, connected: Moment, left: Option<(How, Moment)>, end: End) -> Visit {
        let (saying, hearing) = (self.saying.into_inner(), self.hearing.into_inner());
        let reached = self.end.reached();
        let mut said = saying.said;
        for (said, read) in said.iter_mut().zip(reached.iter().skip(1)) {
            said.read = Some(*read);
        }
        let ended = self
            .story
            .tells(self.name, format_args!("{}", end.in_words()));
        Visit {
            name: self.name,
            page: None,
            connected,
            arrived: reached.first().copied(),
            answered: self.end.first_answer(),
            answer: hearing.answer,
            said,
            heard: hearing.heard,
            closed: hearing.closed,
            said_goodbye: saying.goodbye,
            left,
            stalled: self.caller.stalls.is_some(),
            outrages: hearing.outrages,
            cut: hearing.cut,
            end,
            ended,
        }
    }
}

impl End {
    fn in_words(self) -> &'static str {
        match self {
            Self::NobodyThere => "finds nobody there",
            Self::Orderly => "is at the end of its connection",
            Self::Reset => "is cut off by a reset",
            Self::Left => "is gone",
            Self::Ignored => "waits for an end that does not come",
        }
    }
}

fn nobody_there(story: &Story, name: Name, page: Option<&'static str>) -> Visit {
    let moment = story.tells(name, End::NobodyThere.in_words());
    Visit {
        name,
        page,
        connected: moment,
        arrived: None,
        answered: None,
        answer: None,
        said: Vec::new(),
        heard: Vec::new(),
        closed: None,
        said_goodbye: None,
        left: None,
        stalled: false,
        outrages: Vec::new(),
        cut: 0,
        end: End::NobodyThere,
        ended: moment,
    }
}
