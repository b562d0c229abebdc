//! A directory of public keys, a file for each.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use zre_curve::{KeyError, PublicKey};

use super::warden::Changes;

/// The keys that were there when it was last looked at.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    keys: RwLock<BTreeSet<PublicKey>>,
    /// By name, so that only files that have changed are read again.
    files: Mutex<BTreeMap<OsString, (Stamp, Option<PublicKey>)>>,
}

/// Changes whenever a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            len: metadata.len(),
        }
    }
}

impl Directory {
    /// # Errors
    /// It can't be read.
    pub(super) fn open(path: &Path) -> Result<Self, KeyError> {
        let directory = Self {
            path: path.to_owned(),
            keys: RwLock::default(),
            files: Mutex::default(),
        };
        directory.read().map_err(|source| KeyError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(directory)
    }

    pub(super) fn holds(&self, key: &PublicKey) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.contains(key)
    }

    /// Looks again. A directory that isn't there holds nobody; one that can't be read for
    /// another reason stays as it was.
    pub(super) fn look(&self) -> Changes {
        match self.read() {
            Ok(changes) => changes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.replace(BTreeSet::new()),
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "can't read trusted keys");
                Changes::default()
            }
        }
    }

    fn read(&self) -> io::Result<Changes> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if text.starts_with('.') || text.ends_with("_secret") {
                continue;
            }
            // Follows links, unlike the entry's own.
            let Ok(metadata) = std::fs::metadata(entry.path()) else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            let stamp = Stamp::from(&metadata);
            let key = match files.get(&name) {
                Some((known, key)) if *known == stamp => *key,
                _ => load(&entry.path()),
            };
            found.insert(name, (stamp, key));
        }
        let keys = found.values().filter_map(|(_, key)| *key).collect();
        *files = found;
        Ok(self.replace(keys))
    }

    fn replace(&self, new: BTreeSet<PublicKey>) -> Changes {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let changes = Changes {
            added: !new.is_subset(&keys),
            removed: keys.difference(&new).copied().collect(),
        };
        *keys = new;
        changes
    }
}

fn load(path: &Path) -> Option<PublicKey> {
    let key = PublicKey::load(path);
    if let Err(error) = &key {
        tracing::debug!(%error, "a file of the directory of trusted keys is passed over");
    }
    key.ok()
}

#[cfg(test)]
mod tests {
    use zre_curve::Keys;

    use super::*;

    fn public(number: u8) -> PublicKey {
        Keys::from_secret([number; 32]).public()
    }

    #[test]
    fn certificates_come_change_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        Keys::from_secret([1; 32]).save(at("one")).unwrap();
        std::fs::write(at("note"), "no key").unwrap();
        std::fs::write(at(".two"), public(2).to_string()).unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        assert!(directory.holds(&public(1)) && !directory.holds(&public(2)));
        let changes = directory.look();
        assert!(!changes.added && changes.removed.is_empty());

        std::fs::write(at("note"), format!("{}\n", public(3))).unwrap();
        assert!(directory.look().added && directory.holds(&public(3)));
        // The secret part alone is nobody's certificate.
        std::fs::remove_file(at("one")).unwrap();
        assert_eq!(directory.look().removed, [public(1)]);
        drop(dir);
        assert_eq!(directory.look().removed, [public(3)]);
        assert!(!directory.holds(&public(3)));
    }

    #[test]
    fn a_directory_must_be_there_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let error = Directory::open(&dir.path().join("absent")).unwrap_err();
        assert!(matches!(error, KeyError::Io { .. }));
    }
}
