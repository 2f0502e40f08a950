//! The file of earlier starts: read and written off the threads that serve.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process;

use thiserror::Error;
use tokio::task::spawn_blocking;

use super::starts::{Starts, Unusable};

/// Many times what is ever written; what is larger is not ours.
const LARGEST: u64 = 1 << 20;

/// Why there is nothing to be learned from a file.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is no file")]
    NoFile,
    #[error("is larger than 1 MiB")]
    TooLarge,
    #[error("{0}")]
    Unusable(#[from] Unusable),
}

/// Reads the file; one that is not there has no starts.
pub(super) async fn read(path: PathBuf) -> Result<Starts, ReadError> {
    let read = spawn_blocking(move || read_now(&path)).await;
    read.map_err(io::Error::from)?
}

fn read_now(path: &Path) -> Result<Starts, ReadError> {
    match fs::metadata(path) {
        // Opening a pipe would wait for somebody to write.
        Ok(found) if !found.is_file() => return Err(ReadError::NoFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Starts::default()),
        Ok(_) | Err(_) => {}
    }
    let mut text = Vec::new();
    let mut file = File::open(path)?.take(LARGEST + 1);
    if file.read_to_end(&mut text)? as u64 > LARGEST {
        return Err(ReadError::TooLarge);
    }
    Ok(Starts::parse(&text)?)
}

/// Puts the starts in the place of what was there, in one step: whoever reads meanwhile, or after a
/// crash, finds the old or the new.
pub(super) async fn write(path: PathBuf, starts: &Starts) -> io::Result<()> {
    let text = starts.to_json();
    spawn_blocking(move || write_now(&path, &text)).await?
}

fn write_now(path: &Path, text: &str) -> io::Result<()> {
    let path = &followed(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // Of this process alone, and beside it: only within one file system is renaming one step.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", process::id()));
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        // What matters is why it could not be written.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Where a link leads, so that it stays one and what it leads to is replaced. What it leads to may be
/// still to come.
fn followed(path: &Path) -> PathBuf {
    fs::canonicalize(path)
        .or_else(|_| fs::read_link(path).map(|target| path.with_file_name("").join(target)))
        .unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/history.json");
        assert_eq!(read_now(&path).unwrap(), Starts::default());
        write_now(&path, "torn {").unwrap();
        assert!(matches!(read_now(&path), Err(ReadError::Unusable(_))));
        let text = Starts::default().to_json();
        write_now(&path, &text).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(read_now(&path).unwrap(), Starts::default());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn what_a_link_leads_to_is_replaced_and_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let far = folder.path().join("far");
        let (target, link) = (far.join("starts.json"), folder.path().join("history.json"));
        std::os::unix::fs::symlink("far/starts.json", &link).unwrap();
        // The first has to be made, the second to be replaced.
        for text in ["torn {", &Starts::default().to_json()] {
            write_now(&link, text).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(fs::symlink_metadata(&target).unwrap().is_file());
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
        }
        assert_eq!(fs::read_dir(&far).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_or_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_now(folder.path()), Err(ReadError::NoFile)));
        let path = folder.path().join("history.json");
        let sparse = File::create(&path).unwrap();
        sparse.set_len(LARGEST + 1).unwrap();
        assert!(matches!(read_now(&path), Err(ReadError::TooLarge)));
        assert!(write_now(&path.join("below"), "").is_err());
    }
}
