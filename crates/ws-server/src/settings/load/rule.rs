//! What a value has to be beyond its type.

use std::ops::{Bound, RangeBounds};

use super::value::Setting;

/// What a rule says about a value: what is wrong with it and what would be right.
pub(super) type Checked = Result<(), String>;

/// No rule beyond the type.
pub(super) fn any<T>(_: &T) -> Checked {
    Ok(())
}

/// The value lies in `range`.
pub(super) fn within<T: Setting + PartialOrd>(
    range: impl RangeBounds<T>,
) -> impl Fn(&T) -> Checked {
    move |value| {
        if range.contains(value) {
            return Ok(());
        }
        let low = match range.start_bound() {
            Bound::Included(low) => Some(format!("at least {}", low.write())),
            Bound::Excluded(low) => Some(format!("more than {}", low.write())),
            Bound::Unbounded => None,
        };
        let high = match range.end_bound() {
            Bound::Included(high) => Some(format!("at most {}", high.write())),
            Bound::Excluded(high) => Some(format!("less than {}", high.write())),
            Bound::Unbounded => None,
        };
        let limits: Vec<String> = low.into_iter().chain(high).collect();
        Err(format!(
            "{} is out of range; it has to be {}",
            value.write(),
            limits.join(" and ")
        ))
    }
}

/// A path of a URL, or `*`.
pub(super) fn url_path(path: &str) -> Checked {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#');
    if path == "*" || (path.starts_with('/') && path.chars().all(plain)) {
        return Ok(());
    }
    Err(format!(
        r#"{path:?} is not a path such as "/ws", nor "*" for every path"#
    ))
}

/// Where a server is, without a path of its own; or nothing.
pub(super) fn upstream(url: &str) -> Checked {
    let place = ["ws://", "wss://", "http://", "https://"]
        .into_iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let right = |place: &str| !place.is_empty() && !place.contains(['/', '?', '#', ' ']);
    if url.is_empty() || place.is_some_and(|place| right(place.strip_suffix('/').unwrap_or(place)))
    {
        return Ok(());
    }
    Err(format!(
        "{url:?} is no upstream; write ws://HOST:PORT or wss://HOST:PORT, without a path: the clients' own \
         paths are passed on"
    ))
}

/// A command whose program has a name; or none.
pub(super) fn program(command: &[String]) -> Checked {
    match command.first() {
        Some(program) => not_empty(program),
        None => Ok(()),
    }
}

/// A name that shows.
pub(super) fn not_empty(name: &str) -> Checked {
    if name.trim().is_empty() {
        return Err(format!("{name:?} is empty; leave it out, or give a name"));
    }
    Ok(())
}

/// The codes RFC 6455 lets an endpoint send, without 1010, which is the client's, and 1011, which tells of
/// a fault and never of a shutdown (S5).
pub(super) fn close_code(code: &u16) -> Checked {
    match code {
        1000..=1003 | 1007..=1009 | 1012..=1014 | 3000..=4999 => Ok(()),
        _ => Err(format!(
            "{code} cannot be sent at shutdown; use 1001 (going away), 1012 (service restart), or one \
             of 1000 to 1003, 1007 to 1009, 1012 to 1014, 3000 to 4999"
        )),
    }
}

/// Anything else would match no browser's `Origin` header, and so refuse everybody.
pub(super) fn origins(origins: &[String]) -> Checked {
    let right = |origin: &str| {
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        origin == "null" || (!host.is_empty() && !host.contains(['/', '?', '#', ' ']))
    };
    match origins.iter().find(|origin| !right(origin)) {
        None => Ok(()),
        Some(wrong) => Err(format!(
            "{wrong:?} is not an origin: scheme, host and maybe a port, without a path, such as \
             \"https://example.com\""
        )),
    }
}
