//! `cargo xtask layers`: who may depend on whom, and what a crate brings along.
//!
//! Each of the lower crates is worth having alone, so it knows nobody above or beside it, in its
//! tests as little as in its code, has no HTTP, WebSocket or configuration crate in its tree, and
//! keeps that tree short enough to read. Its tree is what its users build: an example of its own may
//! show it in a service of axum.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::shell;
use crate::workspace::{Member, Workspace, none_of};

/// What a member of the workspace may depend on.
struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
    /// For a crate that is worth having alone: the most crates its tree may have with default
    /// features, its own not counted. Set to what there is, so that each further one is a decision.
    most_crates: Option<usize>,
}

const LAYERS: &[Layer] = &[
    Layer {
        name: "startup-phases",
        may_use: &[],
        most_crates: Some(21),
    },
    Layer {
        name: "ws-queue",
        may_use: &[],
        most_crates: Some(29),
    },
    Layer {
        name: "readiness-guard",
        may_use: &["startup-phases"],
        most_crates: Some(32),
    },
    Layer {
        name: "ws-server",
        may_use: &["startup-phases", "readiness-guard", "ws-queue"],
        most_crates: None,
    },
    Layer {
        name: "conformance-tests",
        may_use: &["startup-phases", "readiness-guard", "ws-queue", "ws-server"],
        most_crates: None,
    },
    Layer {
        name: "micro-figures",
        may_use: &["startup-phases", "readiness-guard", "ws-queue"],
        most_crates: None,
    },
    Layer {
        name: "xtask",
        may_use: &[],
        most_crates: None,
    },
];

/// Crates that have no place in the tree of a crate that is worth having alone, with any feature.
const ABOVE: &[&str] = &[
    "axum",
    "config",
    "fastwebsockets",
    "h2",
    "http",
    "http-body",
    "httparse",
    "hyper",
    "hyper-util",
    "tokio-tungstenite",
    "tower",
    "tower-http",
    "tungstenite",
    "warp",
];

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    println!("{}", check(workspace)?);
    Ok(())
}

/// Every member keeps to its layer; says how many crates the lower ones bring along.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let mut problems = layering(LAYERS, &workspace.members()?);
    let mut sizes = Vec::new();
    for Layer {
        name, most_crates, ..
    } in LAYERS
    {
        let Some(most) = most_crates else { continue };
        let size = tree(workspace, name, "")?.len();
        problems.extend(too_many(name, size, *most));
        problems.extend(out_of_place(
            name,
            &tree(workspace, name, "--all-features")?,
        ));
        sizes.push(format!("{name} brings {size} crates (at most {most})"));
    }
    none_of(&problems)?;
    Ok(sizes.join("\n"))
}

/// What cargo builds for `name`, itself left out, each as `name vVERSION`.
fn tree(workspace: &Workspace, name: &str, features: &str) -> Result<BTreeSet<String>> {
    let line = format!("cargo tree --package {name} --edges normal --prefix none {features}");
    Ok(crates(&shell::output(&mut workspace.command(&line))?, name))
}

fn crates(tree: &str, root: &str) -> BTreeSet<String> {
    let words = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    words
        .filter(|(name, _)| *name != root)
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}

fn layering(layers: &[Layer], members: &[Member]) -> Vec<String> {
    let mut problems = Vec::new();
    for Layer { name, .. } in layers {
        if members.iter().all(|member| member.name != *name) {
            problems.push(format!(
                "{name} has a layer but is no member of the workspace"
            ));
        }
    }
    for Member {
        name, dependencies, ..
    } in members
    {
        let Some(layer) = layers.iter().find(|layer| layer.name == name) else {
            problems.push(format!(
                "{name} has no layer: say in xtask/src/layers.rs what it may depend on"
            ));
            continue;
        };
        let ours = members
            .iter()
            .map(|member| member.name.as_str())
            .filter(|ours| dependencies.iter().any(|one| one == ours));
        for other in ours.filter(|other| !layer.may_use.contains(other)) {
            problems.push(format!(
                "{name} depends on {other}, which its layer does not allow"
            ));
        }
    }
    problems
}

fn too_many(name: &str, size: usize, most: usize) -> Option<String> {
    (size > most).then(|| format!("{name} brings {size} crates along, more than {most}: see `cargo tree -p {name} -e normal`"))
}

fn out_of_place(name: &str, tree: &BTreeSet<String>) -> Vec<String> {
    let above = tree.iter().filter(|one| {
        one.split(' ')
            .next()
            .is_some_and(|one| ABOVE.contains(&one))
    });
    above
        .map(|one| {
            format!(
                "{name} brings {one} along: see `cargo tree -p {name} -e normal --all-features`"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Layer] = &[
        Layer {
            name: "queue",
            may_use: &[],
            most_crates: None,
        },
        Layer {
            name: "server",
            may_use: &["queue"],
            most_crates: None,
        },
    ];

    fn member(name: &str, dependencies: &[&str]) -> Member {
        let dependencies = dependencies.iter().map(ToString::to_string).collect();
        Member {
            name: name.into(),
            directory: name.into(),
            dependencies,
        }
    }

    #[test]
    fn a_dependency_downwards_passes() {
        let members = [
            member("queue", &["tokio"]),
            member("server", &["queue", "hyper"]),
        ];
        assert_eq!(layering(TWO, &members), [] as [&str; 0]);
    }

    #[test]
    fn a_dependency_upwards_fails() {
        let members = [member("queue", &["server"]), member("server", &[])];
        assert_eq!(
            layering(TWO, &members),
            ["queue depends on server, which its layer does not allow"]
        );
    }

    #[test]
    fn a_member_without_a_layer_fails() {
        let members = [
            member("queue", &[]),
            member("server", &[]),
            member("extra", &[]),
        ];
        assert_eq!(
            layering(TWO, &members),
            ["extra has no layer: say in xtask/src/layers.rs what it may depend on"]
        );
    }

    #[test]
    fn a_layer_without_a_member_fails() {
        assert_eq!(
            layering(TWO, &[member("queue", &[])]),
            ["server has a layer but is no member of the workspace"]
        );
    }

    #[test]
    fn a_tree_is_counted_without_its_root_and_repetitions() {
        let tree = "queue v0.1.0 (/repo)\ntokio v1.54.1\nmacros v2.7.2 (proc-macro)\nsyn v2.0.1\nsyn v3.0.9\ntokio v1.54.1 (*)\n\n";
        assert_eq!(
            Vec::from_iter(crates(tree, "queue")),
            ["macros v2.7.2", "syn v2.0.1", "syn v3.0.9", "tokio v1.54.1"]
        );
    }

    #[test]
    fn a_tree_that_grew_fails() {
        assert_eq!(too_many("queue", 25, 25), None);
        assert!(too_many("queue", 26, 25).is_some());
    }

    #[test]
    fn http_in_a_lower_crate_fails() {
        let tree = BTreeSet::from(["http v1.3.0".to_owned(), "https-names v1.0.0".to_owned()]);
        assert_eq!(
            out_of_place("queue", &tree),
            ["queue brings http v1.3.0 along: see `cargo tree -p queue -e normal --all-features`"]
        );
    }
}
