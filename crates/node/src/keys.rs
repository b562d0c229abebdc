//! A node's keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;
use zre_curve::{Curve, Keys, PublicKey};
use zre_session::Mechanism;

use crate::StartError;
use crate::driver::{Key, KeyGuard, OwnKey};
use crate::trust::{Gate, Warden};

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

/// The UUID that follows from a public key, for a node that shall have the same one after
/// each start: pass it to [`Builder::uuid`](crate::Builder::uuid). It is of version 8 (RFC
/// 9562), and 122 bits of it are the key's first ones.
///
/// Two nodes with the same keys would have the same UUID then, which live nodes must
/// never have. It proves nothing by itself: ask [`Peer::key`](crate::Peer::key).
#[must_use]
pub fn key_uuid(key: &PublicKey) -> Uuid {
    let first = key.as_bytes().first_chunk::<16>();
    uuid::Builder::from_custom_bytes(first.copied().unwrap_or_default()).into_uuid()
}

impl OwnKey {
    /// # Errors
    /// The keys can't be loaded.
    pub(crate) fn load(source: &KeySource, warden: &Arc<Warden>) -> Result<Self, StartError> {
        let keys = match source {
            KeySource::File(path) => Keys::load(path)?,
            KeySource::Keys(keys) => keys.clone(),
        };
        let curve = Curve::new(keys, Arc::new(Gate(Arc::clone(warden))));
        Ok(Self {
            public: curve.public().into(),
            mechanism: Arc::new(curve.clone()),
            guard: Arc::new(Guard {
                warden: Arc::clone(warden),
                curve,
            }),
            text: |key| PublicKey::from(*key).to_string(),
            read: |text| Some(text.parse::<PublicKey>().ok()?.into()),
        })
    }
}

/// Decides for the driver.
struct Guard {
    warden: Arc<Warden>,
    curve: Curve,
}

impl KeyGuard for Guard {
    fn to_server(&self, key: Key) -> Option<Arc<dyn Mechanism>> {
        let key = PublicKey::from(key);
        match self.warden.may_be_dialled(&key) {
            true => Some(Arc::new(self.curve.to(key))),
            false => None,
        }
    }

    fn admits(&self, key: Key) -> bool {
        self.warden.admits(&key.into())
    }

    fn objection(&self, name: &str, key: Option<Key>) -> Option<String> {
        let key = key.map(PublicKey::from);
        self.warden.objection(name, key.as_ref())
    }

    fn last_refusal(&self) -> Option<String> {
        self.warden.last_refusal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_uuid_and_another_has_another() {
        let of = |number| key_uuid(&Keys::from_secret([number; 32]).public());
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!((of(1).get_version_num(), of(2).get_version_num()), (8, 8));
        assert_eq!(of(1).get_variant(), uuid::Variant::RFC4122);
        let key = Keys::from_secret([1; 32]).public();
        assert_eq!(of(1).as_bytes()[..6], key.as_bytes()[..6]);
    }
}
