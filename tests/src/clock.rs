use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A time of day that can be set for some processes: libfaketime's. Monotonic
/// clocks go on as they are, as they do when the clock of a host is set.
pub struct Clock {
    library: PathBuf,
    directory: TempDir,
}

impl Clock {
    /// The right time, for now; or why there is no such clock.
    ///
    /// # Errors
    /// In words.
    pub fn new() -> Result<Self, String> {
        let clock = Self {
            library: library().ok_or("libfaketime isn't installed (Debian: faketime)")?,
            directory: tempfile::tempdir().map_err(|error| error.to_string())?,
        };
        clock.step(0);
        Ok(clock)
    }

    /// Sets the clock of all processes that use it to `seconds` off the right time.
    pub fn step(&self, seconds: i64) {
        // A reader must never see a half of it.
        let new = self.directory.path().join("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("a file of our own");
        fs::rename(&new, self.file()).expect("a file of our own");
    }

    pub(crate) fn set_for(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("offset")
    }
}

fn library() -> Option<PathBuf> {
    let places = fs::read_dir("/usr/lib").ok()?;
    places
        .filter_map(Result::ok)
        .map(|place| place.path())
        .chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/lib64")])
        .map(|place: PathBuf| place.join("faketime/libfaketimeMT.so.1"))
        .find(|library: &PathBuf| Path::exists(library))
}
