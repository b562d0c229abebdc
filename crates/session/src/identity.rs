//! The identity of a socket, as ZMTP's READY carries it.

use std::fmt;

use bytes::Bytes;

/// The identity of one end of a connection: 1 to 255 bytes that a mailbox sends in
/// its READY command (RFC 23, property `Identity`), and by which an inbox
/// distinguishes its senders.
///
/// ZRE nodes use 17 bytes, an octet 1 followed by their UUID (RFC 36), but
/// nothing here depends on that. A clone shares the bytes. `Debug` and
/// `Display` print hex digits in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(Bytes);

/// The bytes can't be an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identity has 1 to 255 bytes, not {len}")]
pub struct IdentityError {
    /// The length that was given, in bytes.
    pub len: usize,
}

impl Identity {
    /// The longest identity that ZMTP can carry, in bytes.
    pub const MAX_LEN: usize = 255;

    /// An identity of these bytes.
    ///
    /// # Errors
    /// There is no byte, or there are more than [`Identity::MAX_LEN`].
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, IdentityError> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > Self::MAX_LEN {
            return Err(IdentityError { len: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, shared.
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl AsRef<[u8]> for Identity {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Identity {
    type Error = IdentityError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdentityError> {
        // Checked first, so that an overlong slice isn't copied for nothing.
        if bytes.len() > Self::MAX_LEN {
            return Err(IdentityError { len: bytes.len() });
        }
        Self::new(Bytes::copy_from_slice(bytes))
    }
}

/// ZRE's identities: an octet 1 and a UUID (RFC 36).
impl From<[u8; 17]> for Identity {
    fn from(bytes: [u8; 17]) -> Self {
        Self(Bytes::copy_from_slice(&bytes))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_checked_and_hex_is_lower_case() {
        assert_eq!(Identity::new(Bytes::new()), Err(IdentityError { len: 0 }));
        assert_eq!(
            Identity::try_from(&[7u8; 256][..]),
            Err(IdentityError { len: 256 })
        );
        assert_eq!(
            Identity::try_from(&[7u8; 255][..]).unwrap().as_bytes(),
            [7; 255]
        );
        let identity = Identity::try_from(&[1u8, 0xAB, 0x0f][..]).unwrap();
        assert_eq!(identity.to_string(), "01ab0f");
        assert_eq!(format!("{identity:?}"), "Identity(01ab0f)");
    }
}
