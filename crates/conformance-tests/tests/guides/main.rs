//! What the guides in `docs/guides` say happens, happens: the examples they show are run as they say,
//! and so is the code they give to clients.

mod examples;
mod python;
mod reconnecting;
