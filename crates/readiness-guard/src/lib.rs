//! Waits for readiness at a fixed interval and says why it is not there yet.
