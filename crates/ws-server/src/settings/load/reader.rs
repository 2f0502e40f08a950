//! Reads typed settings out of the merged tree, going on after every problem.
//!
//! Asking for a key is what makes it known: whatever is left of a section once it was read is unknown.

use std::collections::HashMap;

use config::{Value, ValueKind};

use super::effective::Entry;
use super::known::Known;
use super::layers::origin_of;
use super::problem::Problem;
use super::rule::Checked;
use super::value::Setting;

/// What was found so far.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) known: Known,
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    /// Reads the whole tree.
    pub(super) fn read<R>(&mut self, tree: Value, schema: impl FnOnce(&mut Section<'_>) -> R) -> R {
        Section::read(self, String::new(), tree, schema)
    }
}

/// One table of the tree, and what of it was not asked for yet.
pub(super) struct Section<'r> {
    reader: &'r mut Reader,
    path: String,
    origin: Option<String>,
    rest: HashMap<String, Value>,
    asked: Vec<String>,
}

impl Section<'_> {
    fn read<R>(
        reader: &mut Reader,
        path: String,
        value: Value,
        schema: impl FnOnce(&mut Section<'_>) -> R,
    ) -> R {
        // Its own alone: what is inside may come from several sources.
        let origin = value.origin().map(str::to_owned);
        let rest = match value.kind {
            ValueKind::Table(table) => table.into_iter().collect(),
            ValueKind::Nil => HashMap::new(),
            _ => {
                let message = "is a section, not a value; set its keys";
                reader
                    .problems
                    .push(Problem::about_key(&path, origin.clone(), message));
                HashMap::new()
            }
        };
        let mut section = Section {
            reader,
            path,
            origin,
            rest,
            asked: Vec::new(),
        };
        let result = schema(&mut section);
        section.finish();
        result
    }

    /// The key's value, or its default where it is not set.
    pub(super) fn key<T: Setting>(
        &mut self,
        name: &str,
        default: T,
        rule: impl FnOnce(&T) -> Checked,
    ) -> T {
        self.take(name, rule).unwrap_or_else(|| {
            self.enter(name, Some(default.write()), None, "");
            default
        })
    }

    /// The key's value, or none where it is not set; `absent` says what happens then.
    pub(super) fn optional<T: Setting>(
        &mut self,
        name: &str,
        absent: &'static str,
        rule: impl FnOnce(&T) -> Checked,
    ) -> Option<T> {
        let value = self.take(name, rule);
        if value.is_none() {
            self.enter(name, None, None, absent);
        }
        value
    }

    /// The key's value, which has to be set. `placeholder` stands in after a problem, so that reading can
    /// go on; it never leaves this module, since there are no settings where there is a problem.
    pub(super) fn required<T: Setting>(
        &mut self,
        name: &str,
        placeholder: T,
        rule: impl FnOnce(&T) -> Checked,
    ) -> T {
        if !self.rest.contains_key(name) {
            self.problem(name, self.origin.clone(), "is missing and has no default");
        }
        self.take(name, rule).unwrap_or(placeholder)
    }

    /// A section of this section.
    pub(super) fn section<R>(
        &mut self,
        name: &str,
        schema: impl FnOnce(&mut Section<'_>) -> R,
    ) -> R {
        self.asked.push(self.full(name));
        let value = self.rest.remove(name).unwrap_or_default();
        let path = self.full(name);
        Section::read(self.reader, path, value, schema)
    }

    /// A list of sections. Ask for it last: TOML writes it after the keys of the section around it.
    pub(super) fn list<R>(
        &mut self,
        name: &str,
        mut schema: impl FnMut(&mut Section<'_>) -> R,
    ) -> Vec<R> {
        let path = self.full(name);
        self.asked.push(path.clone());
        let value = self.rest.remove(name);
        let origin = value.as_ref().and_then(origin_of);
        let items = match value.map(|value| value.kind) {
            None | Some(ValueKind::Nil) => Vec::new(),
            Some(ValueKind::Array(items)) => items,
            Some(_) => {
                let message = format!("is a list of sections; write each in a file as [[{path}]]");
                self.problem(name, origin, message);
                return Vec::new();
            }
        };
        if items.is_empty() {
            self.enter(name, Some("[]".to_owned()), origin, "");
        }
        let item = |(index, value)| {
            Section::read(self.reader, format!("{path}[{index}]"), value, &mut schema)
        };
        items.into_iter().enumerate().map(item).collect()
    }

    fn take<T: Setting>(&mut self, name: &str, rule: impl FnOnce(&T) -> Checked) -> Option<T> {
        self.asked.push(self.full(name));
        let value = self.rest.remove(name)?;
        let origin = origin_of(&value);
        match T::read(&value.kind).and_then(|value| rule(&value).map(|()| value)) {
            Ok(value) => {
                self.enter(name, Some(value.write()), origin, "");
                Some(value)
            }
            Err(message) => {
                self.problem(name, origin, message);
                None
            }
        }
    }

    fn finish(self) {
        let mut rest: Vec<_> = self.rest.iter().collect();
        rest.sort_unstable_by_key(|(name, _)| name.as_str());
        for (name, value) in rest {
            let origin = origin_of(value).or_else(|| self.origin.clone());
            let problem = self
                .reader
                .known
                .unknown(&self.full(name), origin, &self.asked);
            self.reader.problems.push(problem);
        }
    }

    fn enter(
        &mut self,
        name: &str,
        value: Option<String>,
        origin: Option<String>,
        absent: &'static str,
    ) {
        let key = self.full(name);
        self.reader.entries.push(Entry {
            key,
            value,
            origin,
            absent,
        });
    }

    fn problem(&mut self, name: &str, origin: Option<String>, message: impl Into<String>) {
        let key = self.full(name);
        self.reader
            .problems
            .push(Problem::about_key(&key, origin, message));
    }

    fn full(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}
