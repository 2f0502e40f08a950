//! Every key, with its default and its rule, in the order of the settings.

use std::collections::HashSet;
use std::ops::Bound::{Excluded, Included};
use std::path::PathBuf;
use std::time::Duration;

use startup_phases::Phase;

use super::ProbeCheck;
use super::problem::Problem;
use super::reader::Section;
use super::rule::{any, close_code, not_empty, origins, program, upstream, url_path, within};
use super::value::Bytes;
use crate::settings::{
    AdminSettings, ChildSettings, GuardSettings, HandlerKind, HoldMode, LimitSettings, LogSettings,
    ProxySettings, QueueSettings, ServerSettings, Settings, ShutdownSettings, StartupSettings,
    StepSettings,
};

/// The shortest duration that does something: timers count in milliseconds.
const TICK: Duration = Duration::from_millis(1);

pub(super) fn settings(root: &mut Section<'_>, probe: &ProbeCheck<'_>) -> Settings {
    Settings {
        environment: root.optional("environment", "it is detected", any),
        server: root.section("server", server),
        proxy: root.section("proxy", proxy),
        child: root.section("child", child),
        startup: root.section("startup", |s| startup(s, probe)),
        guard: root.section("guard", guard),
        queue: root.section("queue", queue),
        limits: root.section("limits", limits),
        shutdown: root.section("shutdown", shutdown),
        admin: root.section("admin", admin),
        log: root.section("log", log),
    }
}

/// What is wrong between keys that are each right.
pub(super) fn contradictions(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key, message| problems.push(Problem::about_key(key, None, message));
    let (hold_from, open_after) = (settings.queue.hold_from, settings.startup.open_after);
    if hold_from > open_after {
        let message = format!(
            "{hold_from} is later than startup.open_after, {open_after}, so every client that comes early \
             would be refused; it has to be {open_after} or earlier"
        );
        wrong("queue.hold_from", message);
    }
    let is_proxy = settings.server.handler == HandlerKind::Proxy;
    let has_upstream = !settings.proxy.upstream.is_empty();
    if is_proxy && !has_upstream {
        let message = "is not set, and server.handler is \"proxy\"; write ws://HOST:PORT";
        wrong("proxy.upstream", message.to_owned());
    }
    if has_upstream && !is_proxy {
        let message =
            "is set, and server.handler is not \"proxy\"; set that too, or use --upstream";
        wrong("proxy.upstream", message.to_owned());
    }
    if !settings.child.command.is_empty() && !is_proxy {
        let message = "is set, and server.handler is not \"proxy\": nobody would be passed on to the \
                       application; say where it listens with --upstream";
        wrong("child.command", message.to_owned());
    }
    if is_proxy && settings.queue.hold == HoldMode::Frames {
        let message = "\"frames\" answers clients before the upstream does, whose own answer could then not \
                       be passed on; with server.handler \"proxy\" it has to be \"upgrade\"";
        wrong("queue.hold", message.to_owned());
    }
    let main = settings.server.listen;
    if let Some(admin) = settings.admin.listen
        && admin.port() == main.port()
        && main.port() != 0
        && (admin.ip() == main.ip() || admin.ip().is_unspecified() || main.ip().is_unspecified())
    {
        let message = format!(
            "{admin} is taken by server.listen, {main}; give it another port, or \"\" to have everything on \
             the main port"
        );
        wrong("admin.listen", message);
    }
    problems
}

fn server(s: &mut Section<'_>) -> ServerSettings {
    let d = ServerSettings::default();
    let listen = s.key("listen", d.listen, any);
    let handler = s.key("handler", d.handler, any);
    // An application behind us has its sockets where it likes.
    let path = match handler {
        HandlerKind::Proxy => "*".to_owned(),
        HandlerKind::Echo => d.path,
    };
    ServerSettings {
        listen,
        path: s.key("path", path, |path| url_path(path)),
        handler,
        threads: s.key("threads", d.threads, any),
    }
}

fn proxy(s: &mut Section<'_>) -> ProxySettings {
    let d = ProxySettings::default();
    ProxySettings {
        upstream: s.key("upstream", d.upstream, |url| upstream(url)),
        readyz_follows_upstream: s.key("readyz_follows_upstream", d.readyz_follows_upstream, any),
        connect_timeout: s.key("connect_timeout", d.connect_timeout, within(TICK..)),
        response_timeout: s.key("response_timeout", d.response_timeout, within(TICK..)),
    }
}

fn child(s: &mut Section<'_>) -> ChildSettings {
    let d = ChildSettings::default();
    ChildSettings {
        command: s.key("command", d.command, |command| program(command)),
        name: s.optional("name", "it is the name of the program", |name: &String| {
            not_empty(name)
        }),
        restart: s.key("restart", d.restart, any),
        max_restarts: s.key("max_restarts", d.max_restarts, any),
        restart_interval: s.key("restart_interval", d.restart_interval, within(TICK..)),
        stop_timeout: s.key("stop_timeout", d.stop_timeout, within(TICK..)),
    }
}

fn startup(s: &mut Section<'_>, probe: &ProbeCheck<'_>) -> StartupSettings {
    let d = StartupSettings::default();
    let mut names = HashSet::new();
    StartupSettings {
        open_after: s.key("open_after", d.open_after, any),
        failed_linger: s.key("failed_linger", d.failed_linger, any),
        history: history(s),
        steps: s.list("steps", |s| step(s, &mut names, probe)),
    }
}

/// Without a file there is none; that can be said, too, where the environment has a place for it.
fn history(s: &mut Section<'_>) -> Option<PathBuf> {
    let file = s.key("history", String::new(), any);
    (!file.is_empty()).then(|| PathBuf::from(file))
}

fn step(s: &mut Section<'_>, names: &mut HashSet<String>, probe: &ProbeCheck<'_>) -> StepSettings {
    let d = StepSettings::new(
        s.required("phase", Phase::Init, any),
        s.required("name", String::new(), |name: &String| match name.trim() {
            "" => Err("is empty; the report and the logs need a name".to_owned()),
            _ if names.insert(name.clone()) => Ok(()),
            _ => Err(format!(
                "{name:?} is the name of an earlier step; names have to differ"
            )),
        }),
        s.required("probe", String::new(), |address: &String| probe(address)),
    );
    StepSettings {
        critical: s.key("critical", d.critical, any),
        timeout: s.key("timeout", d.timeout, within(TICK..)),
        interval: s.key("interval", d.interval, within(TICK..)),
        monitor: s.key("monitor", d.monitor, any),
        ..d
    }
}

fn guard(s: &mut Section<'_>) -> GuardSettings {
    let d = GuardSettings::default();
    let multiplier = within((Excluded(0.0), Included(1000.0)));
    GuardSettings {
        minimum_phase: s.key("minimum_phase", d.minimum_phase, any),
        interval: s.key("interval", d.interval, within(TICK..)),
        timeout: s.optional("timeout", "it follows from the environment", within(TICK..)),
        timeout_multiplier: s.key("timeout_multiplier", d.timeout_multiplier, multiplier),
        bypass: s.key("bypass", d.bypass, any),
    }
}

fn queue(s: &mut Section<'_>) -> QueueSettings {
    let d = QueueSettings::default();
    QueueSettings {
        max_size: s.key("max_size", d.max_size, within(1..=1_000_000)),
        max_wait: s.key("max_wait", d.max_wait, within(TICK..)),
        hold: s.key("hold", d.hold, any),
        max_held_bytes: size(s, "max_held_bytes", d.max_held_bytes),
        hold_from: s.key("hold_from", d.hold_from, any),
        refuse_with: s.key("refuse_with", d.refuse_with, any),
        release_per_second: s.key("release_per_second", d.release_per_second, any),
        release_in_flight: s.key("release_in_flight", d.release_in_flight, any),
    }
}

fn limits(s: &mut Section<'_>) -> LimitSettings {
    let d = LimitSettings::default();
    LimitSettings {
        max_connections: s.key("max_connections", d.max_connections, within(1..)),
        max_connections_per_ip: s.key("max_connections_per_ip", d.max_connections_per_ip, any),
        max_message_size: size(s, "max_message_size", d.max_message_size),
        max_frame_size: size(s, "max_frame_size", d.max_frame_size),
        handshake_timeout: s.key("handshake_timeout", d.handshake_timeout, within(TICK..)),
        idle_timeout: s.key("idle_timeout", d.idle_timeout, any),
        ping_interval: s.key("ping_interval", d.ping_interval, any),
        pong_timeout: s.key("pong_timeout", d.pong_timeout, within(TICK..)),
        send_buffer: size(s, "send_buffer", d.send_buffer),
        slow_reader: s.key("slow_reader", d.slow_reader, any),
        origins: s.key("origins", d.origins, |list| origins(list)),
    }
}

fn shutdown(s: &mut Section<'_>) -> ShutdownSettings {
    let d = ShutdownSettings::default();
    ShutdownSettings {
        delay: s.key("delay", d.delay, any),
        drain: s.key("drain", d.drain, any),
        close_code: s.key("close_code", d.close_code, close_code),
    }
}

fn admin(s: &mut Section<'_>) -> AdminSettings {
    let d = AdminSettings::default();
    AdminSettings {
        listen: s.key("listen", d.listen, any),
    }
}

fn log(s: &mut Section<'_>) -> LogSettings {
    let d = LogSettings::default();
    LogSettings {
        format: s.key("format", d.format, any),
        level: s.key("level", d.level, any),
    }
}

fn size(s: &mut Section<'_>, name: &str, default: usize) -> usize {
    let Bytes(size) = s.key(name, Bytes(default), within(Bytes(1)..));
    size
}
