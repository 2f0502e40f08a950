//! A log line as Cloud Logging reads it: one JSON object, with `severity`, `time` and `message`.
//!
//! What an event carries stands beside them under its own name. Names that mean something to Cloud
//! Logging cannot be overwritten: a field called so gets an underscore behind it, such as `time_`.

use std::error::Error;
use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Cloud Logging shows a line that has it with the request that has the same trace.
const TRACE: &str = "logging.googleapis.com/trace";

/// What an event happened in, by name.
const SPANS: &str = "spans";

/// What Cloud Logging takes out of an object instead of showing it, and what is ours.
const RESERVED: [&str; 7] = [
    "severity",
    "time",
    "timestamp",
    "timestampSeconds",
    "timestampNanos",
    "httpRequest",
    SPANS,
];

/// How important a line is, in Cloud Logging's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Nothing is known of it. Said, because what comes on stderr is taken for an error else.
    Default,
    Debug,
    Info,
    Warning,
    Error,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warning,
            Level::INFO => Self::Info,
            Level::DEBUG | Level::TRACE => Self::Debug,
        }
    }
}

/// One line that is being put together.
pub(crate) struct Entry {
    severity: Severity,
    time: String,
    message: String,
    trace: Option<String>,
    fields: Vec<(String, Value)>,
}

impl Entry {
    /// `time` is in RFC 3339.
    pub(crate) fn new(severity: Severity, time: String) -> Self {
        Self {
            severity,
            time,
            message: String::new(),
            trace: None,
            fields: Vec::new(),
        }
    }

    /// With what an event calls `name`.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value.into());
        self
    }

    fn set(&mut self, name: &str, value: Value) {
        match (name, value) {
            ("message", Value::String(message)) => self.message = message,
            ("message", other) => self.message = other.to_string(),
            ("trace", Value::String(id)) if is_trace_id(&id) => self.trace = Some(id),
            (name, value) if RESERVED.contains(&name) => self.push(format!("{name}_"), value),
            (name, value) => self.push(name.to_owned(), value),
        }
    }

    /// No name stands twice in an object: the later value counts.
    fn push(&mut self, name: String, value: Value) {
        self.fields.retain(|(earlier, _)| *earlier != name);
        self.fields.push((name, value));
    }

    /// The object, without the end of its line. A trace is one of `project`, where that is known.
    pub(crate) fn into_line(self, project: Option<&str>) -> String {
        let trace = self.trace.map(|id| match project {
            Some(project) => format!("projects/{project}/traces/{id}"),
            None => id,
        });
        let own = [
            ("severity", Some(self.severity.as_str().to_owned())),
            ("time", Some(self.time)),
            ("message", Some(self.message)),
            (TRACE, trace),
        ];
        let own = own
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
        let members: Vec<String> = own
            .chain(self.fields)
            .map(|(name, value)| format!("{}:{value}", Value::from(name)))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// As in a `traceparent`: anything else would name no trace.
fn is_trace_id(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    /// JSON knows no NaN and nothing infinite: these are told in words.
    fn record_f64(&mut self, field: &Field, value: f64) {
        let number = serde_json::Number::from_f64(value).map(Value::Number);
        self.set(
            field.name(),
            number.unwrap_or_else(|| value.to_string().into()),
        );
    }

    /// With all of its causes.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut words = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            words += &format!(": {error}");
            cause = error.source();
        }
        self.set(field.name(), words.into());
    }
}

/// Now, in RFC 3339 and UTC, with microseconds.
pub(crate) fn now() -> String {
    let mut time = String::new();
    // Fails only where a string could not be written to.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

/// Writes each event as one line.
pub(super) struct Cloud {
    /// The project that traces belong to.
    pub(super) project: Option<String>,
}

impl<S> FormatEvent<S, JsonFields> for Cloud
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut entry = Entry::new((*event.metadata().level()).into(), now());
        event.record(&mut entry);
        let spans = context.event_scope().into_iter().flatten().map(|span| {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            let fields = fields.and_then(|it| serde_json::from_str(&it.fields).ok());
            (span.name().to_owned(), fields.unwrap_or_default())
        });
        let spans: serde_json::Map<_, Value> = spans.collect();
        if !spans.is_empty() {
            entry.push(SPANS.to_owned(), spans.into());
        }
        writeln!(writer, "{}", entry.into_line(self.project.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// What `log` logs.
    fn logged(project: Option<&str>, log: impl FnOnce()) -> String {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .fmt_fields(JsonFields::new())
            .event_format(Cloud {
                project: project.map(str::to_owned),
            })
            .with_writer(written.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = written.0.lock().clone();
        String::from_utf8(bytes).expect("text")
    }

    fn object(line: &str) -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    #[test]
    fn an_event_is_one_line_with_severity_time_and_message_first() {
        let line = logged(None, || tracing::info!(held = 3, "gate\nopen"));
        assert_eq!(line.matches('\n').count(), 1);
        let (before, rest) = line.split_once(r#""time":""#).expect("a time");
        let (time, rest) = rest.split_once('"').expect("its end");
        assert_eq!(before, r#"{"severity":"INFO","#);
        assert_eq!(rest, ",\"message\":\"gate\\nopen\",\"held\":3}\n");
        assert_eq!(time.len(), "2026-11-21T12:00:00.123456Z".len());
        assert!(time.ends_with('Z'), "{time}");
    }

    #[test]
    fn each_level_has_its_severity() {
        let lines = logged(None, || {
            tracing::trace!("");
            tracing::debug!("");
            tracing::info!("");
            tracing::warn!("");
            tracing::error!("");
        });
        let severities: Vec<Value> = lines
            .lines()
            .map(|it| object(it)["severity"].take())
            .collect();
        assert_eq!(severities, ["DEBUG", "DEBUG", "INFO", "WARNING", "ERROR"]);
    }

    #[test]
    fn no_field_overwrites_what_cloud_logging_reads() {
        let line = logged(None, || {
            tracing::info!(time = 1, severity = "x", spans = 2, timestamp = 3, "words");
        });
        let object = object(&line);
        assert_eq!(object["severity"], "INFO");
        assert_eq!(object["message"], "words");
        assert_eq!(object["severity_"], "x");
        for (name, value) in [("time_", 1), ("spans_", 2), ("timestamp_", 3)] {
            assert_eq!(object[name], value);
        }
        assert!(object.get("timestamp").is_none());
    }

    #[test]
    fn a_name_stands_once() {
        let entry = Entry::new(Severity::Info, "T".into());
        let line = entry.with("time", 1).with("time_", 2).into_line(None);
        assert_eq!(
            line,
            r#"{"severity":"INFO","time":"T","message":"","time_":2}"#
        );
    }

    #[test]
    fn a_trace_is_named_as_its_project_has_it() {
        let trace = |project, id| {
            let line = Entry::new(Severity::Debug, String::new()).with("trace", id);
            object(&line.into_line(project))
        };
        let full = format!("projects/chat/traces/{ID}");
        assert_eq!(trace(Some("chat"), ID)[TRACE], full);
        assert_eq!(trace(None, ID)[TRACE], ID);
        for no_id in ["abc", "4BF92F3577B34DA6A3CE929D0E0E4736"] {
            let object = trace(Some("chat"), no_id);
            assert_eq!(object["trace"], no_id);
            assert!(object.get(TRACE).is_none());
        }
    }

    #[test]
    fn odd_values_are_told_in_words() {
        let error = io::Error::other("it\nbroke");
        let line = logged(None, || {
            tracing::warn!(
                nan = f64::NAN,
                endless = f64::INFINITY,
                huge = u128::MAX,
                small = 0.5,
                yes = true,
                failed = &error as &(dyn Error + 'static),
                %error,
                debug = ?Some("x"),
            );
        });
        let object = object(&line);
        assert_eq!(object["nan"], "NaN");
        assert_eq!(object["endless"], "inf");
        assert_eq!(object["huge"], u128::MAX.to_string());
        assert_eq!(object["small"], 0.5);
        assert_eq!(object["yes"], true);
        assert_eq!(object["failed"], "it\nbroke");
        assert_eq!(object["error"], "it\nbroke");
        assert_eq!(object["debug"], "Some(\"x\")");
        assert_eq!(object["message"], "");
    }

    #[test]
    fn what_an_event_happened_in_is_told() {
        let line = logged(None, || {
            tracing::info_span!("step", phase = "init", n = 2).in_scope(|| tracing::info!("x"));
        });
        let spans = serde_json::json!({"step": {"phase": "init", "n": 2}});
        assert_eq!(object(&line)["spans"], spans);
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }
}
