//! A WebSocket server that is safe to connect to from its very first millisecond.

#[cfg(feature = "probes")]
pub mod probe;
pub mod settings;
