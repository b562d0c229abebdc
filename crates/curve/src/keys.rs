//! Public keys, and the pair that a node is known by.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

use crate::cipher::Pair;
use crate::{KeyError, z85};

/// The public key of a peer, or ours. Its text is Z85 (RFC 32), 40 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Its bytes, as they are on the wire.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }
}

impl From<PublicKey> for [u8; 32] {
    fn from(key: PublicKey) -> [u8; 32] {
        key.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = z85::encode(&self.0);
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        z85::decode(text.as_bytes())
            .map(PublicKey)
            .ok_or(KeyError::Z85)
    }
}

/// A secret key and its public one: what a node is known by.
///
/// A clone is a handle to the same pair. The secret key is erased from memory when
/// the last handle is dropped; `Debug` shows the public one only.
#[derive(Clone)]
pub struct Keys(Arc<Pair>);

impl Keys {
    /// A new pair, from the system's random generator.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Keys, KeyError> {
        let pair = Pair::random().map_err(|_| KeyError::Random)?;
        Ok(Keys(Arc::new(pair)))
    }

    /// The pair of a secret key.
    pub fn from_secret(secret: [u8; 32]) -> Keys {
        Keys(Arc::new(Pair::new(secret)))
    }

    /// The pair of a secret key in Z85.
    ///
    /// # Errors
    /// [`KeyError::Z85`].
    pub fn from_z85(secret: &str) -> Result<Keys, KeyError> {
        let mut bytes = z85::decode(secret.as_bytes()).ok_or(KeyError::Z85)?;
        let keys = Keys::from_secret(bytes);
        bytes.zeroize();
        Ok(keys)
    }

    /// The key that others may know.
    pub fn public(&self) -> PublicKey {
        *self.0.public()
    }

    pub(crate) fn pair(&self) -> &Pair {
        &self.0
    }

    /// The secret key in Z85.
    pub(crate) fn secret_z85(&self) -> Zeroizing<[u8; z85::TEXT_LEN]> {
        Zeroizing::new(z85::encode(&self.0.secret()))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.public())
    }
}

/// Two pairs are the same if their public keys are.
impl PartialEq for Keys {
    fn eq(&self, other: &Keys) -> bool {
        self.public() == other.public()
    }
}

impl Eq for Keys {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let secret = [0x42; 32];
        let keys = Keys::from_secret(secret);
        let shown = format!("{keys:?} {:?}", keys.pair());
        let text = keys.secret_z85();
        assert!(shown.contains(&keys.public().to_string()));
        assert!(!shown.contains(std::str::from_utf8(&*text).unwrap()));
        assert!(!shown.contains("66, 66") && !shown.contains("4242"));
        assert_eq!(
            Keys::from_z85(std::str::from_utf8(&*text).unwrap()).unwrap(),
            keys
        );
    }

    /// The pairs in the manual of libzmq (zmq_curve).
    #[test]
    fn pairs_are_those_of_libzmq() {
        for (public, secret) in [
            (
                "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
                "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
            ),
            (
                "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
                "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
            ),
        ] {
            assert_eq!(Keys::from_z85(secret).unwrap().public().to_string(), public);
        }
    }

    #[test]
    fn generated_pairs_differ() {
        let keys = Keys::generate().unwrap();
        assert_ne!(keys, Keys::generate().unwrap());
        assert_eq!(
            keys.public().to_string().parse::<PublicKey>().unwrap(),
            keys.public()
        );
    }
}
