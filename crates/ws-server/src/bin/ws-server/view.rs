//! What people see of a server on their terminal: one drawing, of `/status` and of nothing else,
//! whether the server is this process or elsewhere.

mod changes;
mod document;
mod line;
mod lines;
mod rates;
mod screen;
mod startup;
mod terminal;

pub(crate) use self::changes::{Changes, Meaning};
pub(crate) use self::document::Document;
pub(crate) use self::line::{Line, Tone};
pub(crate) use self::lines::{server, unreachable};
pub(crate) use self::rates::Rates;
pub(crate) use self::screen::Screen;
pub(crate) use self::startup::show_startup;
