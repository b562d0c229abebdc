//! A node's keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        match self.warden.admits(&key) {
            true => Some(Arc::new(self.curve.to(key))),
            false => None,
        }
    }

    fn objection(&self, name: &str, key: Key) -> Option<String> {
        self.warden.objection(name, &key.into())
    }

    fn last_refusal(&self) -> Option<String> {
        self.warden.last_refusal()
    }
}
