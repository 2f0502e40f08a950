//! The probe addresses: any text, with a secret where the text says `SECRET`.
//!
//! What must hold: what is in the place of a password, a token, a query's value or a command's argument
//! is neither shown nor logged, nor said in an error; an address that is shown whole reads back as it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ws_server::probe::Probe;

const SECRET: &str = "SECRET";

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let parsed = text.parse::<Probe>();
    let said = match &parsed {
        Ok(probe) => format!("{probe} {probe:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    let text = text.trim();
    // Once, in whatever case: elsewhere it may be shown.
    let times = text.to_ascii_uppercase().matches(SECRET).count();
    if times == 1 && is_secret(text, parsed.is_ok()) {
        assert!(
            !said.to_ascii_uppercase().contains(SECRET),
            "{text}: {said}"
        );
    }
    let shown = parsed.map(|probe| probe.to_string()).unwrap_or_default();
    let is_whole = !shown.contains("***") && !shown.starts_with("exec:");
    if is_whole && !shown.is_empty() {
        let again = shown.parse::<Probe>();
        let again = again.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(again.to_string(), shown, "{text}");
    }
});

/// Whether the secret is in the place of one. Where an address cannot be read, all before the last `@`
/// is such a place, for a password that is not escaped ends anywhere.
fn is_secret(text: &str, is_valid: bool) -> bool {
    if !text.contains(SECRET) {
        return false;
    }
    if let Some(command) = text.strip_prefix("exec:") {
        let program = command.trim_start().split([' ', '\t', '\n']).next();
        return !is_valid
            || program.is_some_and(|it| !it.contains(SECRET) && !it.contains(['\'', '"', '\\']));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    if scheme.contains(SECRET) || !scheme.chars().all(|c| c.is_ascii_lowercase()) {
        return false;
    }
    let in_userinfo = |authority: &str| {
        let userinfo = authority
            .rsplit_once('@')
            .map_or("", |(userinfo, _)| userinfo);
        match userinfo.split_once(':') {
            Some((_, password)) => password.contains(SECRET),
            None => scheme == "nats" && userinfo.contains(SECRET),
        }
    };
    // A backslash is a slash to the schemes of the web alone.
    let of_the_web = matches!(scheme, "http" | "https" | "ws" | "wss");
    let ends = |c: char| matches!(c, '/' | '?' | '#') || (of_the_web && c == '\\');
    let authority = rest.split(ends).next().unwrap_or_default();
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let in_query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| name != "sslmode" && value.contains(SECRET));
    in_userinfo(authority) || in_query || (!is_valid && in_userinfo(rest))
}
