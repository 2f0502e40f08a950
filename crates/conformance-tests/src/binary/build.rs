//! Where the binary comes from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::servers::must_succeed;

/// Where the binary is, built by the first who asks: `cargo test` alone does not build the binary of
/// another crate, and one that lies about from yesterday would be tested unnoticed. Where it is
/// fresh, cargo says so in a moment.
pub(super) fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
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
        cargo.args(["build", "--quiet", "--workspace", "--bin", "ws-server"]);
        cargo.arg("--target-dir").arg(target);
        if !profile.ends_with("debug") {
            let name = profile.file_name().expect("cargo's layout");
            cargo.arg("--profile").arg(name);
        }
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        must_succeed(&mut cargo);
        profile.join("ws-server")
    })
}
