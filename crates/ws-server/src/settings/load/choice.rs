//! Settings that are one of a few words, which a mistake is told.

use config::ValueKind;
use startup_phases::Phase;
use tracing::level_filters::LevelFilter;

use super::value::{Setting, is_not, quoted};
use crate::settings::{HandlerKind, HoldMode, LogFormat, RefuseWith, Restart, SlowReader};

/// A type with a few values, each with its word.
pub(super) trait Choice: Copy + PartialEq + 'static {
    fn choices() -> impl Iterator<Item = (&'static str, Self)>;
}

impl<T: Choice> Setting for T {
    fn read(value: &ValueKind) -> Result<Self, String> {
        let word = match value {
            ValueKind::String(text) => text.trim(),
            _ => "",
        };
        let found = T::choices().find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, choice)| choice).map_or_else(
            || {
                let names: Vec<&str> = T::choices().map(|(name, _)| name).collect();
                match names.as_slice() {
                    [only] => is_not(value, format_args!("{only:?}, which is the only choice")),
                    _ => is_not(value, format_args!("one of {}", names.join(", "))),
                }
            },
            Ok,
        )
    }

    fn write(&self) -> String {
        let (name, _) = T::choices()
            .find(|(_, choice)| choice == self)
            .expect("`choices` lists every value");
        quoted(name)
    }
}

macro_rules! choices {
    ($($type:ident { $($name:literal => $value:ident),+ })*) => {$(
        impl Choice for $type {
            fn choices() -> impl Iterator<Item = (&'static str, Self)> {
                [$(($name, Self::$value)),+].into_iter()
            }
        }
    )*};
}
choices! {
    HandlerKind { "echo" => Echo, "proxy" => Proxy }
    HoldMode { "upgrade" => Upgrade, "frames" => Frames }
    RefuseWith { "http" => Http, "close" => Close }
    SlowReader { "close" => Close, "drop" => Drop }
    Restart { "always" => Always, "on-failure" => OnFailure, "never" => Never }
    LogFormat { "text" => Text, "json" => Json }
    LevelFilter {
        "off" => OFF, "error" => ERROR, "warn" => WARN, "info" => INFO, "debug" => DEBUG, "trace" => TRACE
    }
}

impl Choice for Phase {
    fn choices() -> impl Iterator<Item = (&'static str, Self)> {
        Self::ALL.into_iter().map(|phase| (phase.as_str(), phase))
    }
}
