//! The settings: any file, any environment, any flags.
//!
//! An input has three parts, each behind a line `%%`: the extension on the first line and the file
//! behind it; variables as `NAME=VALUE`, one a line; flags as `KEY=VALUE`.
//!
//! What must hold: whatever is wrong is said, one line a problem, with the key or the source it is
//! about; and the settings in effect, printed and read as a file, are the same settings.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use readiness_guard::Vars;
use ws_server::probe::Probe;
use ws_server::settings::{Loaded, Problems, Settings, Sources};

/// The settings file without its extension, in memory where there is a place for that.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    parent.join(format!("ws-server-fuzz-{}", std::process::id()))
});

fuzz_target!(|input: &[u8]| {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let mut parts = input.split("\n%%\n");
    let (extension, text) = parts
        .next()
        .and_then(|part| part.split_once('\n'))
        .unwrap_or_default();
    let extension = ["toml", "yaml", "json"]
        .into_iter()
        .find(|it| *it == extension);
    let variables: Vars = parts
        .next()
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| line.split_once('='))
        .collect();
    let flags = parts.next().into_iter().flat_map(str::lines);

    match load(text, extension.unwrap_or("toml"), &variables, flags) {
        Ok(loaded) => reads_back(&loaded),
        Err(problems) => check(&problems),
    }
});

fn load<'a>(
    text: &str,
    extension: &str,
    variables: &Vars,
    flags: impl Iterator<Item = &'a str>,
) -> Result<Loaded, Problems> {
    let file = FILE.with_extension(extension);
    fs::write(&file, text).expect("room for a settings file");
    let check_probe = |address: &str| match address.parse::<Probe>() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    let sources = Sources::new(variables)
        .file(&file)
        .check_probes(check_probe);
    let sources = flags.fold(sources, |sources, flag| sources.flag("--set", flag));
    let loaded = Settings::load(&sources);
    fs::remove_file(&file).expect("it was written");
    loaded
}

fn reads_back(loaded: &Loaded) {
    let printed = loaded.to_string();
    let again = load(&printed, "toml", &Vars::default(), std::iter::empty());
    let again = again.unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
    assert_eq!(again.settings, loaded.settings, "{printed}");
    let values = |loaded: &Loaded| -> Vec<_> {
        let entries = loaded.entries().iter();
        entries
            .map(|it| (it.key.clone(), it.value.clone()))
            .collect()
    };
    assert_eq!(values(&again), values(loaded), "{printed}");
}

fn check(problems: &Problems) {
    let lines = problems.to_string();
    assert!(problems.iter().count() > 0);
    assert_eq!(lines.lines().count(), problems.iter().count(), "{lines}");
    for problem in problems.iter() {
        let about = problem.key.as_ref().or(problem.origin.as_ref());
        assert!(
            about.is_some() && !problem.message.is_empty(),
            "{problem:?}"
        );
    }
}
