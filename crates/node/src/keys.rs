//! A node's keys, and whose keys it trusts.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use zre_curve::{Admission, Curve, Keys, PublicKey};

use crate::StartError;
use crate::driver::OwnKey;

/// Where a node's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// In a file, which is read when the node starts: see [`Keys::load`].
    File(PathBuf),
    /// Here.
    Keys(Keys),
}

impl From<Keys> for KeySource {
    fn from(keys: Keys) -> Self {
        Self::Keys(keys)
    }
}

impl From<PathBuf> for KeySource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for KeySource {
    fn from(path: &Path) -> Self {
        Self::File(path.into())
    }
}

impl From<&str> for KeySource {
    fn from(path: &str) -> Self {
        Self::File(path.into())
    }
}

/// Which peers a node with keys talks to. All others are refused, whoever dials.
///
/// Peers in the same process are trusted whatever this says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Whoever has a key. Everything is encrypted, and each peer is whom it was when it
    /// entered; strangers are let in.
    #[default]
    Anyone,
    /// The holders of these keys.
    Keys(BTreeSet<PublicKey>),
}

impl Trust {
    fn holds(&self, key: &PublicKey) -> bool {
        match self {
            Self::Anyone => true,
            Self::Keys(keys) => keys.contains(key),
        }
    }
}

/// `anyone`, or keys in Z85 with commas between them.
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
        }
    }
}

impl FromStr for Trust {
    type Err = zre_curve::KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "anyone" => Ok(Self::Anyone),
            keys => keys
                .split(',')
                .map(|key| key.trim().parse())
                .collect::<Result<_, _>>()
                .map(Self::Keys),
        }
    }
}

/// Lets in whom the node trusts.
#[derive(Debug)]
struct Gate(Arc<Trust>);

impl Admission for Gate {
    fn admits(&self, key: &PublicKey) -> bool {
        let trusted = self.0.holds(key);
        if !trusted {
            tracing::debug!(%key, "a key that isn't trusted was refused");
        }
        trusted
    }
}

impl OwnKey {
    /// # Errors
    /// The keys can't be loaded.
    pub(crate) fn load(source: &KeySource, trust: &Trust) -> Result<Self, StartError> {
        let keys = match source {
            KeySource::File(path) => Keys::load(path)?,
            KeySource::Keys(keys) => keys.clone(),
        };
        let trust = Arc::new(trust.clone());
        let curve = Curve::new(keys, Arc::new(Gate(Arc::clone(&trust))));
        Ok(Self {
            public: curve.public().into(),
            mechanism: Arc::new(curve.clone()),
            to_server: Arc::new(move |key| {
                let key = PublicKey::from(key);
                let to = trust.holds(&key).then(|| curve.to(key))?;
                Some(Arc::new(to))
            }),
            text: |key| PublicKey::from(*key).to_string(),
            read: |text| Some(text.parse::<PublicKey>().ok()?.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_read_as_it_is_written() {
        let keys = [1, 2].map(|n| Keys::from_secret([n; 32]).public());
        let both = Trust::Keys(keys.into());
        assert_eq!(both.to_string().parse::<Trust>().unwrap(), both);
        assert!(both.holds(&keys[0]) && !both.holds(&Keys::from_secret([3; 32]).public()));
        assert_eq!("anyone".parse::<Trust>().unwrap(), Trust::Anyone);
        assert!("everybody".parse::<Trust>().is_err());
        assert!("".parse::<Trust>().is_err());
    }
}
