//! `cargo xtask tools [bench]`: what the tests need besides Rust; with `bench`, what benchmarks compare with.
//!
//! The end-to-end tests start real servers and connect real clients of other people's making. On a
//! Debian or Ubuntu machine, as root, what is missing is installed; elsewhere the line that would
//! install it is printed and nothing is touched. (Debian's packages also start the servers they bring;
//! the tests leave those alone and start their own on free ports.) What needs no root is put under
//! `target/tools`:
//!
//! * `target/tools/python`: a Python environment (`bin/python`) with `websockets`, `uvicorn` and `starlette`,
//! * `target/tools/node`: `node_modules/ws`,
//! * `target/tools/prometheus`: what Debian's package of that name has, of which `promtool` is used. It is
//!   unpacked and not installed, for installed it would start a server that nobody asked for.
//!
//! Always below the workspace's own `target`, wherever `CARGO_TARGET_DIR` points, so that tests find it.
//!
//! With the tests `cargo xtask ci` agrees on two environment variables:
//!
//! * `CONFORMANCE_SKIPS=FILE`: a test that cannot run appends a line to FILE, `SKIPPED: <test>: <what>
//!   is not installed` (cargo shows no output of tests that pass). The file is there and empty at first.
//! * `CONFORMANCE_REQUIRE_ALL=1`, set where everything is installed: a skip is a failure.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::shell;
use crate::workspace::Workspace;

/// Something that tests need and that a package of the system brings.
struct Program {
    name: &'static str,
    debian: &'static str,
    ubuntu: &'static str,
}

const fn program(name: &'static str, package: &'static str) -> Program {
    Program {
        name,
        debian: package,
        ubuntu: package,
    }
}

const PROGRAMS: &[Program] = &[
    program("postgres", "postgresql"),
    program("redis-server", "redis-server"),
    program("nats-server", "nats-server"),
    Program {
        name: "chromium",
        debian: "chromium",
        ubuntu: "chromium-browser",
    },
    program("curl", "curl"),
    program("node", "nodejs"),
    program("npm", "npm"),
    program("python3", "python3"),
    // Not a program but a part of Python that Debian packs on its own.
    program("python3 -m venv", "python3-venv"),
    // For `cargo xtask instructions`.
    program("valgrind", "valgrind"),
];

/// Proxies that `cargo xtask bench` puts ours beside.
const COMPARED: &[Program] = &[
    program("nginx", "nginx"),
    program("haproxy", "haproxy"),
    program("caddy", "caddy"),
];

/// The newest `websockets` that takes Python 3.10, and an application for it to be a client of.
const PYTHON_PACKAGES: [&str; 3] = ["websockets==16.0", "uvicorn==0.54.0", "starlette==1.10.0"];
const WS: &str = "8.23.0";

const PYTHON: &str = "target/tools/python";
const NODE: &str = "target/tools/node";
const PROMETHEUS: &str = "target/tools/prometheus";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {}
        [bench] if bench == "bench" => {
            let missing = install_missing(workspace, COMPARED)?;
            ensure!(missing.is_empty(), "not installed: {}", missing.join(", "));
            println!("all there: {}", names(&COMPARED.iter().collect::<Vec<_>>()));
            return Ok(());
        }
        _ => bail!("cargo xtask tools [bench]"),
    }
    let missing = provide(workspace)?;
    ensure!(missing.is_empty(), "not installed: {}", missing.join(", "));
    println!(
        "all there: {}, {}, ws {WS}, promtool",
        names(&PROGRAMS.iter().collect::<Vec<_>>()),
        PYTHON_PACKAGES.join(", ")
    );
    Ok(())
}

/// Installs what is missing of what tests need, where it may; returns what is missing still.
pub(crate) fn provide(workspace: &Workspace) -> Result<Vec<String>> {
    let mut missing = install_missing(workspace, PROGRAMS)?;
    for (client, result) in [
        ("Python packages", python(workspace)),
        ("Node ws", node(workspace)),
        ("promtool", unpack_promtool(workspace)),
    ] {
        if let Err(error) = result {
            println!("{client}: {error:#}");
            missing.push(client.to_owned());
        }
    }
    Ok(missing)
}

/// Installs those of the programs that are missing, where it may; returns which are missing still.
fn install_missing(workspace: &Workspace, programs: &[Program]) -> Result<Vec<String>> {
    let mut missing: Vec<&Program> = programs
        .iter()
        .filter(|program| !is_there(workspace, program))
        .collect();
    if !missing.is_empty() {
        let system = System::here(workspace)?;
        let packages: Vec<&str> = missing
            .iter()
            .map(|program| system.package(program))
            .collect();
        if system.may_install() {
            install(workspace, &packages);
            missing.retain(|program| !is_there(workspace, program));
        } else {
            println!(
                "not installed: {}. On Debian or Ubuntu:\n  {}",
                names(&missing),
                sudo_line(&packages)
            );
        }
    }
    let names = missing.iter().map(|program| program.name.to_owned());
    Ok(names.collect())
}

fn names(programs: &[&Program]) -> String {
    programs
        .iter()
        .map(|program| program.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Asked by running it: some systems have a stand-in that only says how to install the real one.
fn is_there(workspace: &Workspace, program: &Program) -> bool {
    if program.name == "python3 -m venv" {
        return shell::succeeds(
            workspace
                .command("python3 -c")
                .arg("import ensurepip, venv"),
        );
    }
    let version = match program.name {
        "nginx" | "haproxy" => "-v",
        "caddy" => "version",
        _ => "--version",
    };
    let mut places = vec![program.name.to_owned()];
    places.extend(off_the_path().map(|place| place.join(program.name).display().to_string()));
    places
        .iter()
        .any(|place| shell::succeeds(workspace.command(place).arg(version)))
}

/// Where servers are that are not in everybody's path; Debian keeps all versions of PostgreSQL side by side.
fn off_the_path() -> impl Iterator<Item = PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let postgres = versions.map(|version| version.path().join("bin"));
    ["/usr/sbin", "/usr/local/sbin", "/sbin"]
        .map(PathBuf::from)
        .into_iter()
        .chain(postgres)
}

/// The machine we are on, as far as installing goes.
#[derive(Debug, PartialEq, Eq)]
struct System {
    debian: bool,
    ubuntu: bool,
    root: bool,
}

impl System {
    fn here(workspace: &Workspace) -> Result<Self> {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let user = shell::output(&mut workspace.command("id -u")).context("who are we?")?;
        Ok(Self::told_by(&release, &user))
    }

    /// From the text of `/etc/os-release` and the user's number.
    fn told_by(release: &str, user: &str) -> Self {
        let is = |id: &str| {
            let values = release
                .lines()
                .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
            values
                .flat_map(|value| value.trim_matches('"').split_whitespace())
                .any(|one| one == id)
        };
        Self {
            debian: is("debian"),
            ubuntu: is("ubuntu"),
            root: user.trim() == "0",
        }
    }

    fn may_install(&self) -> bool {
        self.root && (self.debian || self.ubuntu)
    }

    fn package(&self, program: &Program) -> &'static str {
        if self.ubuntu {
            program.ubuntu
        } else {
            program.debian
        }
    }
}

fn sudo_line(packages: &[&str]) -> String {
    format!(
        "sudo apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    )
}

/// What fails is shown and left out: the tests that need it are then skipped, and counted.
fn install(workspace: &Workspace, packages: &[&str]) {
    let apt = |arguments: &str| {
        let line = format!("apt-get --quiet --yes {arguments}");
        println!("{line}");
        let done = shell::run(
            workspace
                .command(&line)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        );
        done.inspect_err(|error| println!("{error:#}")).is_ok()
    };
    apt("update");
    // All in one go; one by one only where one of them keeps the others from being installed.
    if !apt(&format!(
        "install --no-install-recommends {}",
        packages.join(" ")
    )) {
        for package in packages {
            apt(&format!("install --no-install-recommends {package}"));
        }
    }
}

/// An environment of its own, made anew unless it has what we name, in the versions we name.
fn python(workspace: &Workspace) -> Result<()> {
    let pip = format!("{PYTHON}/bin/python -m pip --disable-pip-version-check");
    let is_there = || {
        let listed = shell::output(&mut workspace.command(&format!("{pip} freeze")));
        listed.is_ok_and(|listed| {
            PYTHON_PACKAGES
                .iter()
                .all(|package| listed.lines().any(|line| line == *package))
        })
    };
    if !is_there() {
        let packages = PYTHON_PACKAGES.join(" ");
        shell::run(&mut workspace.command(&format!("python3 -m venv --clear {PYTHON}")))?;
        shell::run(&mut workspace.command(&format!("{pip} install --quiet {packages}")))?;
        ensure!(is_there(), "installed, but not as {packages}");
    }
    Ok(())
}

fn node(workspace: &Workspace) -> Result<()> {
    let version = || -> Option<String> {
        let manifest = workspace
            .read(format!("{NODE}/node_modules/ws/package.json"))
            .ok()?;
        let manifest: serde_json::Value = serde_json::from_str(&manifest).ok()?;
        Some(manifest["version"].as_str()?.to_owned())
    };
    if version().as_deref() != Some(WS) {
        fs::create_dir_all(workspace.path(NODE))?;
        shell::run(&mut workspace.command(&format!(
            "npm install --silent --no-audit --no-fund --prefix {NODE} ws@{WS}"
        )))?;
        ensure!(
            version().as_deref() == Some(WS),
            "ws is installed but is not {WS}"
        );
    }
    Ok(())
}

/// The command line by which promtool is started, where it is there.
pub(crate) fn promtool(workspace: &Workspace) -> Option<String> {
    let unpacked = workspace.path(PROMETHEUS).join("usr/bin/promtool");
    let mut places = ["promtool".to_owned(), unpacked.display().to_string()].into_iter();
    places.find(|place| shell::succeeds(workspace.command(place).arg("--version")))
}

fn unpack_promtool(workspace: &Workspace) -> Result<()> {
    if promtool(workspace).is_some() {
        return Ok(());
    }
    let system = System::here(workspace)?;
    ensure!(
        system.debian || system.ubuntu,
        "not installed, and not known how to get it here"
    );
    fs::create_dir_all(workspace.path(PROMETHEUS))?;
    if system.may_install() {
        shell::run(&mut workspace.command("apt-get --quiet update"))?;
    }
    shell::run(
        workspace
            .command("sh -c")
            .arg(
                "apt-get --quiet download prometheus && dpkg-deb --extract prometheus_*.deb . \
                  && rm prometheus_*.deb",
            )
            .current_dir(workspace.path(PROMETHEUS)),
    )?;
    ensure!(promtool(workspace).is_some(), "unpacked, but does not run");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n";
    const UBUNTU: &str = "ID=ubuntu\nID_LIKE=debian\n";
    const DERIVED: &str = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
    const OTHER: &str = "ID=\"fedora\"\nNAME=\"not debian\"\n";

    #[test]
    fn installs_as_root_on_debian_and_its_kin_only() {
        let may = |release, user| System::told_by(release, user).may_install();
        assert!(may(DEBIAN, "0\n") && may(UBUNTU, "0\n") && may(DERIVED, "0\n"));
        assert!(!may(DEBIAN, "1000\n") && !may(OTHER, "0\n") && !may("", "0\n"));
    }

    #[test]
    fn packages_are_those_of_the_system() {
        let chromium = PROGRAMS
            .iter()
            .find(|program| program.name == "chromium")
            .unwrap();
        assert_eq!(System::told_by(DEBIAN, "0").package(chromium), "chromium");
        assert_eq!(
            System::told_by(UBUNTU, "0").package(chromium),
            "chromium-browser"
        );
    }

    #[test]
    fn one_line_installs_what_is_missing() {
        let line = "sudo apt-get install --yes --no-install-recommends redis-server npm";
        assert_eq!(sudo_line(&["redis-server", "npm"]), line);
    }
}
