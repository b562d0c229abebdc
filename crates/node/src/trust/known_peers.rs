//! Which key was first met under each name.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zre_curve::{KeyError, PublicKey};

use super::directory::Stamp;
use super::warden::Changes;

/// More names than this aren't noted: whoever has a key may come under any.
const NAMES: usize = 8192;

/// More than so many names can fill.
const LARGEST: u64 = 4 << 20;

/// The file, as it was last read, and what has come since.
#[derive(Debug)]
pub(super) struct KnownPeers {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stamp: Option<Stamp>,
    names: BTreeMap<String, PublicKey>,
}

impl KnownPeers {
    /// # Errors
    /// It can't be read or created, or a line isn't one of ours.
    pub(super) fn open(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(io)?;
        }
        append(path, "").map_err(io)?;
        let (stamp, text) = read(path).map_err(io)?;
        let names = parse(&text).map_err(|line| KeyError::Format {
            path: path.to_owned(),
            line,
            problem: "it isn't a public key, a space and a name",
        })?;
        let state = State {
            stamp: Some(stamp),
            names,
        };
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(state),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the holder of this key can't be known by that name, if it can't. A new name is
    /// noted.
    pub(super) fn objection(&self, name: &str, key: &PublicKey) -> Option<String> {
        let mut state = self.lock();
        match state.names.get(name) {
            Some(known) if known == key => return None,
            Some(known) => {
                return Some(format!(
                    "{name:?} had the key {known} when it was first met, and now shows {key}: if \
                     that is right, remove its line from {}",
                    self.path.display()
                ));
            }
            None => {}
        }
        if name.contains(char::is_control) {
            return Some(format!(
                "{name:?} has characters that can't be in {}",
                self.path.display()
            ));
        }
        if state.names.len() >= NAMES {
            return Some(format!(
                "{} is full: {name:?} and its key aren't noted",
                self.path.display()
            ));
        }
        if let Err(error) = append(&self.path, &format!("{key} {name}\n")) {
            tracing::warn!(path = %self.path.display(), %error, "can't note a peer's key");
        }
        state.names.insert(name.to_owned(), *key);
        None
    }

    /// Why a peer without a key can't be known by that name, if it can't.
    pub(super) fn objection_without_key(&self, name: &str) -> Option<String> {
        let known = *self.lock().names.get(name)?;
        Some(format!(
            "{name:?} had the key {known} when it was first met, and now shows none: if that is \
             right, remove its line from {}",
            self.path.display()
        ))
    }

    /// Reads the file again if it has changed. One that can't be read, or has a line that isn't
    /// ours, changes nothing.
    pub(super) fn look(&self) -> Changes {
        let stamp = std::fs::metadata(&self.path).map(|metadata| Stamp::from(&metadata));
        let mut state = self.lock();
        if stamp.ok() == state.stamp {
            return Changes::default();
        }
        let parsed = read(&self.path).map(|(stamp, text)| (stamp, parse(&text)));
        if let Ok((stamp, Ok(names))) = parsed {
            let gone = state.names.keys().any(|name| !names.contains_key(name));
            let replaced = state.names.iter().filter(|(name, key)| {
                let new = names.get(*name);
                new.is_some_and(|new| new != *key)
            });
            let removed = replaced.map(|(_, key)| *key).collect();
            *state = State {
                stamp: Some(stamp),
                names,
            };
            return Changes {
                added: gone,
                removed,
            };
        }
        Changes::default()
    }
}

fn read(path: &Path) -> io::Result<(Stamp, String)> {
    let file = File::open(path)?;
    let stamp = Stamp::from(&file.metadata()?);
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok((stamp, text))
}

/// One write for a line: several nodes may share the file.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(line.as_bytes())
}

/// # Errors
/// The number of a line that isn't one of ours. The first line of a name counts.
fn parse(text: &str) -> Result<BTreeMap<String, PublicKey>, usize> {
    let mut names = BTreeMap::new();
    for (number, line) in (1usize..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with("# ") {
            continue;
        }
        let parts = line.split_once(' ').ok_or(number)?;
        let key = parts.0.parse().map_err(|_| number)?;
        names.entry(parts.1.to_owned()).or_insert(key);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use zre_curve::Keys;

    use super::*;

    fn public(number: u8) -> PublicKey {
        Keys::from_secret([number; 32]).public()
    }

    #[test]
    fn the_first_key_of_a_name_is_the_one_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zre").join("known");
        let known = KnownPeers::open(&path).unwrap();
        let (one, two) = (public(1), public(2));
        assert_eq!(known.objection("lens 1", &one), None);
        assert_eq!(known.objection("lens 1", &one), None);
        assert_eq!(known.objection("lens 2", &two), None);
        let why = known.objection("lens 1", &two).unwrap();
        for part in ["lens 1", &one.to_string(), &two.to_string(), "known"] {
            assert!(why.contains(part), "{why}");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{one} lens 1\n{two} lens 2\n"));

        assert!(known.objection_without_key("lens 1").is_some());
        assert_eq!(known.objection_without_key("lens 3"), None);

        // It lasts.
        let again = KnownPeers::open(&path).unwrap();
        assert!(again.objection("lens 1", &two).is_some());
        // Somebody removes a line.
        std::fs::write(&path, format!("# of May\n{two} lens 2\n")).unwrap();
        assert!(again.look().added);
        assert_eq!(again.objection("lens 1", &two), None);
        // The name has another key: the holder of the first one goes.
        assert_eq!(known.look().removed, [one]);
        assert!(known.objection("lens 1", &one).is_some());
    }

    #[test]
    fn what_cannot_be_noted_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known");
        let known = KnownPeers::open(&path).unwrap();
        let forged = format!("x\n{} lens", public(9));
        assert!(known.objection(&forged, &public(1)).is_some());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        for number in 0..NAMES {
            known.lock().names.insert(number.to_string(), public(1));
        }
        assert!(known.objection("one more", &public(1)).is_some());
        assert_eq!(known.objection("7", &public(1)), None);

        std::fs::write(&path, "lens\n").unwrap();
        let error = KnownPeers::open(&path).unwrap_err();
        assert!(matches!(error, KeyError::Format { line: 1, .. }), "{error}");
    }
}
