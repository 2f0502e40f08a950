//! What can be set, with its defaults.
