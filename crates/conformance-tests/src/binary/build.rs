//! Where the binary and the examples come from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::servers::must_succeed;

/// Where the binary is, built by the first who asks.
pub(super) fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| build(&["--bin", "ws-server"]).join("ws-server"))
}

/// Where the examples of all crates are, built by the first who asks.
pub(crate) fn examples() -> &'static Path {
    static EXAMPLES: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLES.get_or_init(|| build(&["--examples"]).join("examples"))
}

/// Builds a part of the workspace, and says where it is: `cargo test` alone does not build what
/// belongs to another crate, and what lies about from yesterday would be tested unnoticed. Where it
/// is fresh, cargo says so in a moment.
fn build(part: &[&str]) -> PathBuf {
    // <target>/<profile>/deps/<this test>
    let this = std::env::current_exe().expect("a test has a path");
    let profile = this.ancestors().nth(2).expect("cargo's layout");
    let target = profile.parent().expect("cargo's layout");
    let mut cargo = Command::new(env!("CARGO"));
    // What `cargo test` adds to the environment would have build scripts run again, here and the
    // next time there.
    for added in ["MANIFEST_DIR", "MANIFEST_PATH", "PKG_NAME"] {
        cargo.env_remove(format!("CARGO_{added}"));
    }
    for added in ["", "_MAJOR", "_MINOR", "_PATCH", "_PRE"] {
        cargo.env_remove(format!("CARGO_PKG_VERSION{added}"));
    }
    // The features of the whole workspace, so that nothing is compiled for this alone.
    cargo.args(["build", "--quiet", "--workspace"]).args(part);
    cargo.arg("--target-dir").arg(target);
    if !profile.ends_with("debug") {
        let name = profile.file_name().expect("cargo's layout");
        cargo.arg("--profile").arg(name);
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    must_succeed(&mut cargo);
    profile.to_path_buf()
}
