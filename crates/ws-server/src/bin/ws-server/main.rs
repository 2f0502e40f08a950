//! The `ws-server` command.

fn main() {}
