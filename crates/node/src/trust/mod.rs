//! Whose keys a node trusts.

mod ask;
mod directory;
mod known_peers;
mod warden;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use zre_curve::{KeyError, PublicKey};

use crate::Settings;

pub use self::ask::Ask;
pub(crate) use self::warden::{Gate, Warden, watch};

/// Which peers a node with keys talks to. All others are refused, whoever dials.
///
/// Peers in the same process are trusted whatever this says.
///
/// As text: `anyone`, `first-use`, `first-use:FILE`, a directory, or public keys in Z85
/// with commas between them. A text is a directory if it has a `/` (or, on Windows, a
/// `\\`) and isn't made of keys: write `./friends`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Whoever has a key. Everything is encrypted, and each peer is whom it was when it
    /// entered; strangers are let in.
    #[default]
    Anyone,
    /// The holders of these keys.
    Keys(BTreeSet<PublicKey>),
    /// The holders of the keys whose certificates are in this directory: files as
    /// `zre keygen`, czmq and zauth have them, one for each peer, or with nothing but the
    /// public key in Z85. Names that end in `_secret` or begin with a dot, and files
    /// without a key, are passed over.
    ///
    /// The directory is looked at twice a second while the node runs: the peer of a new file
    /// is let in, and the sessions with one whose file is gone are closed. It must exist
    /// when the node starts; if it vanishes later, nobody is trusted.
    Directory(PathBuf),
    /// Whoever has a key, but under each name only the one that was first met there. This
    /// file remembers names and keys, a line `KEY NAME` for each, and is created if it
    /// isn't there.
    ///
    /// A peer that greets under the name of another key is refused, with a reason that says
    /// what has changed ([`Stats::last_refusal`](crate::Stats::last_refusal)). If that is as it
    /// should be, remove the line: the file is read again when it changes. The first
    /// meeting itself proves nothing, and nodes must have names that last
    /// ([`Builder::name`](crate::Builder::name)) and are theirs alone.
    FirstUse(PathBuf),
    /// Whoever the application wants to. Only in a program: as text it is `ask`, and can't
    /// be read back.
    Ask(Ask),
}

/// The file of [`Trust::FirstUse`] if none is named.
fn usual_file() -> Option<PathBuf> {
    Some(Settings::user_directory()?.join("known_peers"))
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Keys(keys) => {
                let mut keys = keys.iter();
                if let Some(first) = keys.next() {
                    write!(f, "{first}")?;
                }
                keys.try_for_each(|key| write!(f, ",{key}"))
            }
            Self::Directory(path) if is_path(&path.to_string_lossy()) => {
                write!(f, "{}", path.display())
            }
            Self::Directory(path) => write!(f, "./{}", path.display()),
            Self::FirstUse(path) => write!(f, "first-use:{}", path.display()),
            Self::Ask(_) => f.write_str("ask"),
        }
    }
}

fn is_path(text: &str) -> bool {
    text.contains(std::path::is_separator)
}

impl FromStr for Trust {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let keys = || -> Result<BTreeSet<PublicKey>, KeyError> {
            text.split(',').map(|key| key.trim().parse()).collect()
        };
        match (text, keys()) {
            ("anyone", _) => Ok(Self::Anyone),
            ("first-use", _) => usual_file().map(Self::FirstUse).ok_or(TrustError::Homeless),
            (_, Ok(keys)) => Ok(Self::Keys(keys)),
            (_, Err(_)) => match text.strip_prefix("first-use:") {
                Some("") => Err(TrustError::Text),
                Some(file) => Ok(Self::FirstUse(file.into())),
                None if is_path(text) => Ok(Self::Directory(text.into())),
                None => Err(TrustError::Text),
            },
        }
    }
}

/// A text doesn't say whom to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// It is neither of the words, no key and no directory.
    #[error(
        "expected anyone, first-use, first-use:FILE, public keys of 40 characters with commas \
         between them, or a directory with a / in its name (./friends)"
    )]
    Text,
    /// There is no directory for the user's settings.
    #[error("there is no home directory for known_peers: name the file, as first-use:FILE")]
    Homeless,
}

#[cfg(test)]
mod tests {
    use zre_curve::Keys;

    use super::*;

    #[test]
    fn trust_is_read_as_it_is_written() {
        let keys = [1, 2].map(|n| Keys::from_secret([n; 32]).public());
        for trust in [
            Trust::Anyone,
            Trust::Keys(keys.into()),
            Trust::Directory("/etc/friends".into()),
            Trust::Directory("./friends".into()),
            Trust::FirstUse("known".into()),
        ] {
            assert_eq!(trust.to_string().parse::<Trust>(), Ok(trust));
        }
        assert_eq!(Trust::Directory("friends".into()).to_string(), "./friends");
        for bad in ["everybody", "", "first-use:", "first", "ask"] {
            assert_eq!(bad.parse::<Trust>(), Err(TrustError::Text), "{bad}");
        }
        assert!(
            matches!("first-use".parse(), Ok(Trust::FirstUse(path)) if path.ends_with("zre/known_peers"))
        );
    }
}
