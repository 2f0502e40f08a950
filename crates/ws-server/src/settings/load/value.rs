//! How one value is read from a file, a variable or a flag, and how it is written as TOML.
//!
//! Variables and flags are always text, so everything can be read from text.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use config::ValueKind;
use readiness_guard::Tier;

/// The longest duration that is accepted: far beyond any use, far from overflowing an instant.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A type a setting can have.
pub(super) trait Setting: Sized {
    /// Reads the value, or says what was wrong and what would be right.
    fn read(value: &ValueKind) -> Result<Self, String>;
    /// Writes the value as TOML that reads back to the same.
    fn write(&self) -> String;
}

/// A value as a message shows it.
fn shown(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}

pub(super) fn is_not<T>(value: &ValueKind, expected: impl Display) -> Result<T, String> {
    Err(format!("{} is not {expected}", shown(value)))
}

pub(super) fn quoted(text: &str) -> String {
    // JSON's escapes are a subset of TOML's; TOML alone forbids DEL.
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}

impl Setting for String {
    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) => Ok(text.clone()),
            _ => is_not(value, "text; put it in quotes"),
        }
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

/// A list is a sequence in a file, and separated by commas in a variable or flag.
impl Setting for Vec<String> {
    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Array(items) => items.iter().map(|item| String::read(&item.kind)).collect(),
            ValueKind::String(text) => Ok(text
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect()),
            _ => is_not(value, "a list"),
        }
    }

    fn write(&self) -> String {
        let items: Vec<String> = self.iter().map(|item| quoted(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

impl Setting for bool {
    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Boolean(yes) => Ok(*yes),
            ValueKind::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(true),
                "false" | "no" | "off" | "0" => Ok(false),
                _ => is_not(value, "true or false"),
            },
            _ => is_not(value, "true or false"),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

fn integer(value: &ValueKind) -> Option<i128> {
    match value {
        ValueKind::I64(number) => Some((*number).into()),
        ValueKind::U64(number) => Some((*number).into()),
        ValueKind::I128(number) => Some(*number),
        ValueKind::U128(number) => (*number).try_into().ok(),
        ValueKind::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

macro_rules! whole_numbers {
    ($($number:ty)*) => {$(
        impl Setting for $number {
            fn read(value: &ValueKind) -> Result<Self, String> {
                let Some(number) = integer(value) else {
                    return is_not(value, "a whole number");
                };
                Self::try_from(number)
                    .map_err(|_| format!("{number} is not between 0 and {}", Self::MAX))
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
whole_numbers!(u16 u32 usize);

impl Setting for f64 {
    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Float(number) => Ok(*number),
            ValueKind::I64(number) => Ok(*number as Self),
            ValueKind::String(text) => text.trim().parse().or_else(|_| is_not(value, "a number")),
            _ => is_not(value, "a number"),
        }
    }

    fn write(&self) -> String {
        format!("{self:?}")
    }
}

impl Setting for Duration {
    fn read(value: &ValueKind) -> Result<Self, String> {
        let wrong = |what| {
            let shown = shown(value);
            Err(format!(
                r#"{shown} {what}; write a duration such as "100ms", "5s" or "2m""#
            ))
        };
        let text = match value {
            ValueKind::String(text) => text.trim().to_owned(),
            ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::Float(_) => value.to_string(),
            _ => return wrong("is not a duration"),
        };
        if text.starts_with('-') {
            return wrong("is negative, which a duration cannot be");
        }
        if text.parse::<f64>().is_ok() {
            return wrong("has no unit");
        }
        // humantime panics where seconds and nanoseconds overflow together, which takes longer numbers.
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        if numbers.any(|digits| digits.len() > 12) {
            return wrong("has too many digits");
        }
        match humantime::parse_duration(&text) {
            Ok(duration) if duration <= LONGEST => Ok(duration),
            Ok(_) => wrong("is longer than 365 days"),
            Err(_) => wrong("is not a duration"),
        }
    }

    fn write(&self) -> String {
        quoted(&humantime::format_duration(*self).to_string())
    }
}

/// A number of bytes, written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Bytes(pub(super) usize);

impl Setting for Bytes {
    fn read(value: &ValueKind) -> Result<Self, String> {
        let size = match value {
            ValueKind::String(text) => text.trim().parse().ok().map(|ByteSize(size)| size.into()),
            _ => integer(value),
        };
        match size.map(usize::try_from) {
            Some(Ok(size)) => Ok(Self(size)),
            _ => is_not(value, r#"a size such as 4096, "64KiB" or "1MiB""#),
        }
    }

    fn write(&self) -> String {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units
            .iter()
            .find(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit))
        {
            Some((name, unit)) => format!("\"{}{name}\"", self.0 / unit),
            None => self.0.to_string(),
        }
    }
}

impl Setting for SocketAddr {
    fn read(value: &ValueKind) -> Result<Self, String> {
        let parsed = match value {
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        parsed.map_or_else(
            || {
                is_not(
                    value,
                    r#"an IP address with a port such as "127.0.0.1:8080" or "[::]:8080""#,
                )
            },
            Ok,
        )
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

/// Text that is empty says none.
impl Setting for Option<SocketAddr> {
    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) if text.trim().is_empty() => Ok(None),
            _ => SocketAddr::read(value).map(Some),
        }
    }

    fn write(&self) -> String {
        self.map_or_else(|| quoted(""), |address| address.write())
    }
}

impl Setting for Tier {
    fn read(value: &ValueKind) -> Result<Self, String> {
        let parsed = match value {
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        parsed.map_or_else(
            || {
                is_not(
                    value,
                    "one of local, test, development, staging, production",
                )
            },
            Ok,
        )
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}
