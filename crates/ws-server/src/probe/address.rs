//! Reading an address, and showing it without its secrets.

use std::fmt;

use url::{Position, Url};

use super::{Address, Target, exec, http, nats, notify, postgres, redis, tcp, ws};

/// What a probe can look at, as an error lists it.
const KNOWN: &str =
    "tcp://, http://, https://, ws://, wss://, postgres://, redis://, nats://, notify:/, exec:";

/// An address that is not one: which, what is wrong with it, and what would be right.
///
/// It shows the address without its secrets, and nothing of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeAddressError {
    shown: String,
    problem: String,
}

impl fmt::Display for ProbeAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "probe `{}`: {}", self.shown, self.problem)
    }
}

impl std::error::Error for ProbeAddressError {}

pub(super) fn parse(text: &str) -> Result<Address, ProbeAddressError> {
    let text = text.trim();
    let parsed = match text.split_once(':') {
        None => Err(format!("no scheme: it begins with one of {KNOWN}")),
        Some(("exec", command)) => parse_exec(command),
        Some(("notify", socket)) => parse_notify(socket),
        Some((scheme, rest)) => parse_url(text, scheme, rest),
    };
    parsed.map_err(|problem| ProbeAddressError {
        shown: without_secrets(text),
        problem,
    })
}

fn parse_exec(command: &str) -> Result<Address, String> {
    if command.starts_with("//") {
        return Err("a command follows the colon at once: write exec:PROGRAM ARG…".to_owned());
    }
    let exec = exec::Exec::parse(command)?;
    Ok(Address {
        shown: format!("exec:{}", exec.program),
        target: Target::Exec(exec),
    })
}

fn parse_notify(socket: &str) -> Result<Address, String> {
    Ok(Address {
        shown: format!("notify:{socket}"),
        target: Target::Notify(notify::Notify::parse(socket)?),
    })
}

fn parse_url(text: &str, scheme: &str, rest: &str) -> Result<Address, String> {
    let parse: fn(&Url) -> Result<Target, String> =
        match scheme {
            "tcp" => |url| tcp::Tcp::parse(url).map(Target::Tcp),
            "http" | "https" => |url| http::Resource::parse(url).map(Target::Http),
            "ws" | "wss" => |url| ws::WebSocket::parse(url).map(Target::WebSocket),
            "postgres" | "postgresql" => |url| {
                postgres::Postgres::parse(url)
                    .map(Box::new)
                    .map(Target::Postgres)
            },
            "redis" => |url| redis::Redis::parse(url).map(Box::new).map(Target::Redis),
            "nats" => |url| nats::Nats::parse(url).map(Target::Nats),
            "rediss" => return Err(
                "TLS to Redis is not supported: write redis://, tcp:// or exec:redis-cli --tls …"
                    .to_owned(),
            ),
            "tls" => return Err("TLS to NATS is not supported: write nats:// or tcp://".to_owned()),
            unknown => return Err(format!("unknown scheme `{unknown}`: known are {KNOWN}")),
        };
    if !rest.starts_with("//") {
        return Err(format!("no // after the scheme: write {scheme}://…"));
    }
    let url = Url::parse(text).map_err(|error| explain(error, text))?;
    if url.fragment().is_some() {
        return Err("`#` has no meaning here: in a password it is written %23".to_owned());
    }
    let target = parse(&url)?;
    Ok(Address {
        shown: shown(url),
        target,
    })
}

fn explain(error: url::ParseError, text: &str) -> String {
    if text.contains('@') {
        format!("{error} (in a password, `/` is written %2F, `?` %3F, `#` %23, `@` %40)")
    } else {
        error.to_string()
    }
}

/// A valid address without its secrets.
fn shown(mut url: Url) -> String {
    const MASK: &str = "***";
    if url.password().is_some() {
        // Fails only for an address without a host, and those were rejected.
        let _ = url.set_password(Some(MASK));
    } else if url.scheme() == "nats" && !url.username().is_empty() {
        let _ = url.set_username(MASK);
    }
    // Health addresses and connection strings carry tokens and passwords there.
    if url.query().is_some() {
        url.set_query(Some(MASK));
    }
    url.into()
}

/// An address that cannot be read, without what may be a secret: all up to the last `@`, and the
/// query. Where a password is not escaped nothing says where it begins; and where a `?` comes before
/// that `@`, nothing says which of the two what follows belongs to.
fn without_secrets(text: &str) -> String {
    if text.starts_with("exec:") {
        return "exec:…".to_owned();
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let separator = if scheme.is_empty() { "" } else { "://" };
    let (before, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    if before.contains('?') {
        return format!("{scheme}{separator}***");
    }
    let mask = if before.is_empty() { "" } else { "***@" };
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, ""), |(rest, _)| (rest, "?***"));
    format!("{scheme}{separator}{mask}{rest}{query}")
}

pub(super) fn refuse_credentials(url: &Url) -> Result<(), String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(format!("{}:// takes no user or password", url.scheme()))
}

pub(super) fn refuse_path(url: &Url) -> Result<(), String> {
    match url.path() {
        "" | "/" => Ok(()),
        _ => Err(format!(
            "nothing follows the port of a {}:// address",
            url.scheme()
        )),
    }
}

/// An `@` behind the host: a password was not escaped, and the rest of it would be shown by whoever
/// explains what is wrong with the database or a parameter.
pub(super) fn refuse_rest_of_password(url: &Url) -> Result<(), String> {
    if url[Position::BeforePath..].contains('@') {
        return Err(
            "`@` behind the host: in a password `/` is written %2F and `?` %3F, elsewhere `@` %40"
                .to_owned(),
        );
    }
    Ok(())
}

pub(super) fn refuse_query(url: &Url) -> Result<(), String> {
    match url.query() {
        None => Ok(()),
        Some(_) => Err(format!("{}:// takes no parameters after `?`", url.scheme())),
    }
}

/// A user, password or name out of a URL, its `%XX` decoded.
pub(super) fn decoded(part: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || {
            rest.next()
                .and_then(|byte| char::from(byte).to_digit(16))
                .and_then(|d| u8::try_from(d).ok())
        };
        bytes.push(match byte {
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => {
                    return Err(
                        "a `%` is followed by two hexadecimal digits; itself it is written %25"
                            .to_owned(),
                    );
                }
            },
            _ => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| "what its %XX stand for is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Probe;
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Probe>().expect(text).to_string()
    }

    fn problem(text: &str) -> String {
        text.parse::<Probe>().expect_err(text).to_string()
    }

    #[test]
    fn an_address_is_shown_as_it_was_written() {
        for text in [
            "tcp://db:5432",
            "tcp://[::1]:5432",
            "http://app/health",
            "https://app:8443/",
            "ws://127.0.0.1:8000/chat",
            "wss://app/",
            "postgres://app@127.0.0.1:5432/app",
            "postgresql://db",
            "redis://cache/2",
            "nats://bus:4333",
            "notify:/run/app.sock",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn secrets_are_masked() {
        for (text, masked) in [
            ("postgres://app:s3cret@db/app", "postgres://app:***@db/app"),
            (
                "postgres://app:s3cret@db/app?options=s3cret",
                "postgres://app:***@db/app?***",
            ),
            ("redis://:s3cret@cache", "redis://:***@cache"),
            (
                "http://app:s3cret@app/health?token=s3cret",
                "http://app:***@app/health?***",
            ),
            ("nats://s3cret@bus", "nats://***@bus"),
            ("nats://app:s3cret@bus", "nats://app:***@bus"),
            ("exec:psql --password s3cret", "exec:psql"),
        ] {
            assert_eq!(shown(text), masked);
            assert_eq!(
                format!("{:?}", text.parse::<Probe>().unwrap()),
                format!("Probe({masked})")
            );
        }
    }

    #[test]
    fn secrets_are_masked_in_errors_too() {
        for text in [
            "postgres://app:s3/cret@db",
            "postgres://app:1#s3cret@db",
            "postgres://app:1/s3cret@db/app",
            "postgres://app:s3cret@db/app?sslmode=require",
            "postgres://app:s3cret@db/app?password=s3cret",
            "postgres://app:1?s3cret@db/app",
            "redis://app:s3cret@cache/x",
            "redis://app:1/s3cret@cache/0",
            "postgres://db/app?application_name=a@b&options=s3cret",
            "app:s3cret@db",
            "tcp://app:s3cret@db:1",
            "exec:psql --password s3cret | cat",
            "nats://s3cret@bus/path",
        ] {
            let problem = problem(text);
            assert!(!problem.contains("cret"), "{text}: {problem}");
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_and_what_would_be_right() {
        for (text, words) in [
            ("", "no scheme: it begins with one of tcp://, http://"),
            ("db", "no scheme"),
            (
                "db:5432",
                "unknown scheme `db`: known are tcp://, http://, https://, ws://, wss://, postgres://",
            ),
            ("mysql://db", "unknown scheme `mysql`: known are tcp://"),
            ("tcp:db:5432", "no // after the scheme: write tcp://…"),
            ("tcp://db", "no port: write tcp://HOST:PORT"),
            ("tcp://db:0", "port 0"),
            ("tcp://db:70000", "invalid port number"),
            (
                "tcp://db:5432/app",
                "nothing follows the port of a tcp:// address",
            ),
            ("tcp://", "no host after tcp://"),
            ("redis:///0", "no host after redis://"),
            ("http://", "empty host"),
            ("http://app/#top", "`#` has no meaning here"),
            (
                "redis://cache/app",
                "`app` is no database number: write redis://HOST:PORT/0",
            ),
            (
                "redis://app@cache",
                "a user without a password: write redis://USER:PASSWORD@HOST:PORT/DB",
            ),
            (
                "redis://cache?db=1",
                "redis:// takes no parameters after `?`",
            ),
            ("rediss://cache", "TLS to Redis is not supported"),
            ("tls://bus", "TLS to NATS is not supported"),
            (
                "postgres://db/app?sslmode=require",
                "sslmode=require is not supported",
            ),
            (
                "postgres://db/app?sslmode=verify-full",
                "sslmode=verify-full is not supported",
            ),
            (
                "postgres://db/app?connect_timeout=3",
                "unknown parameter `connect_timeout`: known are sslmode",
            ),
            (
                "postgres://%2Frun%2Fpostgresql/app",
                "Unix sockets are not supported",
            ),
            ("postgres://app:%zz@db/app", "two hexadecimal digits"),
            (
                "postgres://app:a/b@db/app",
                "in a password, `/` is written %2F",
            ),
            ("notify:", "write notify:/PATH"),
            ("notify://run/app", "write notify:/PATH"),
            ("exec:", "no command after exec: write exec:PROGRAM ARG…"),
            ("exec:  ", "no command after exec"),
            ("exec:''", "no command after exec"),
            ("exec://pg_isready", "a command follows the colon at once"),
            ("exec:pg_isready | cat", "`|` is for a shell"),
            ("exec:say 'hello", "a ' without its end"),
        ] {
            let problem = problem(text);
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(decoded("p%40ss%2fw%C3%B6rd").as_deref(), Ok("p@ss/wörd"));
        assert!(decoded("%4").is_err());
        assert!(decoded("%ff").is_err());
    }
}
