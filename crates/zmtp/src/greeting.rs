//! The greeting: the first 64 bytes in each direction.

use std::fmt;

/// Bytes of a complete greeting, in ZMTP 3.0 and 3.1 alike.
pub const GREETING_LEN: usize = 64;

const SIGNATURE_START: u8 = 0xff;
const SIGNATURE_END: u8 = 0x7f;

/// A protocol version as a greeting states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3 for everything this crate speaks.
    pub major: u8,
    /// 0 or 1; a peer may state a higher one and then speaks ours.
    pub minor: u8,
}

impl Version {
    /// What this crate announces: ZMTP 3.1.
    pub const OURS: Version = Version { major: 3, minor: 1 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The protocols before 3.0, which are recognised and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldVersion {
    /// ZMTP 1.0 (libzmq 2.x): unversioned, begins with a length.
    V1,
    /// ZMTP 2.0 (libzmq 3.x).
    V2,
}

impl fmt::Display for OldVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OldVersion::V1 => "1.0",
            OldVersion::V2 => "2.0",
        })
    }
}

/// The 20 bytes that name a security mechanism, zero-padded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MechanismName([u8; 20]);

impl MechanismName {
    /// The name `NULL`: no authentication, no encryption.
    pub const NULL: MechanismName = MechanismName::padded(b"NULL");
    /// The name `PLAIN`.
    pub const PLAIN: MechanismName = MechanismName::padded(b"PLAIN");
    /// The name `CURVE`.
    pub const CURVE: MechanismName = MechanismName::padded(b"CURVE");

    /// A name of up to 20 bytes; longer ones are cut.
    #[allow(clippy::indexing_slicing, reason = "both indices are checked")]
    pub const fn padded(name: &[u8]) -> Self {
        let mut bytes = [0; 20];
        let mut i = 0;
        while i < name.len() && i < 20 {
            bytes[i] = name[i];
            i = i.saturating_add(1);
        }
        MechanismName(bytes)
    }

    /// The name without its padding.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&b| b == 0).next().unwrap_or_default()
    }
}

impl fmt::Display for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Foreign bytes: escaped, so that a log line stays one line.
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MechanismName({self})")
    }
}

/// Why the first bytes of a connection were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GreetingError {
    /// Not ZMTP at all: HTTP, a port scanner, noise.
    #[error("not a ZMTP peer (byte {at} of its greeting is {byte:#04x})")]
    NotZmtp {
        /// Offset of the byte that shows it.
        at: usize,
        /// Its value.
        byte: u8,
    },
    /// A ZeroMQ peer that is too old.
    #[error("the peer speaks ZMTP {0}; 3.0 or newer is needed (libzmq 4.0 or newer)")]
    TooOld(OldVersion),
}

/// What a greeting begins with, before its mechanism: signature and version.
pub(crate) const VERSION_END: usize = 12;

/// The first 64 bytes of one side: version, mechanism and role.
///
/// RFC 23: "greeting = signature version mechanism as-server filler".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// The highest version the sender speaks.
    pub version: Version,
    /// The security mechanism it insists on.
    pub mechanism: MechanismName,
    /// Whether the sender is the mechanism's server. NULL ignores it.
    pub as_server: bool,
}

impl Greeting {
    /// The greeting on the wire.
    pub fn encode(&self) -> [u8; GREETING_LEN] {
        let mut out = [0; GREETING_LEN];
        out[0] = SIGNATURE_START;
        // RFC 23 leaves the padding free. ZMTP 1.0 reads it as a length that
        // includes a flags byte, so 1 is the empty identity to such a peer.
        out[8] = 1;
        out[9] = SIGNATURE_END;
        out[10] = self.version.major;
        out[11] = self.version.minor;
        out[12..32].copy_from_slice(&self.mechanism.0);
        out[32] = u8::from(self.as_server);
        out
    }

    /// Reads a greeting from the bytes received so far.
    ///
    /// `Ok(None)` asks for more. Bytes past [`GREETING_LEN`] are ignored.
    ///
    /// # Errors
    ///
    /// As early as possible: HTTP at its first two bytes, ZMTP 2.0 at its
    /// eleventh, the last byte that such a peer sends before it waits.
    pub fn parse(bytes: &[u8]) -> Result<Option<Greeting>, GreetingError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        if first != SIGNATURE_START {
            // ZMTP 1.0 begins with the short length of an identity frame and
            // its flags, which are zero.
            return match bytes.get(1) {
                None if first != 0 => Ok(None),
                Some(0) if first != 0 => Err(GreetingError::TooOld(OldVersion::V1)),
                _ => Err(GreetingError::NotZmtp { at: 0, byte: first }),
            };
        }
        match bytes.get(9) {
            None => return Ok(None),
            Some(&SIGNATURE_END) => {}
            // FF and eight bytes of length, then the flags: a long identity.
            Some(0) => return Err(GreetingError::TooOld(OldVersion::V1)),
            Some(&byte) => return Err(GreetingError::NotZmtp { at: 9, byte }),
        }
        let major = match bytes.get(10) {
            None => return Ok(None),
            Some(0) => return Err(GreetingError::TooOld(OldVersion::V1)),
            Some(1 | 2) => return Err(GreetingError::TooOld(OldVersion::V2)),
            Some(&major) => major,
        };
        let Some(bytes) = bytes.first_chunk::<GREETING_LEN>() else {
            return Ok(None);
        };
        let mut name = [0; 20];
        name.copy_from_slice(&bytes[12..32]);
        Ok(Some(Greeting {
            version: Version {
                major,
                minor: bytes[11],
            },
            mechanism: MechanismName(name),
            as_server: bytes[32] == 1,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Greeting {
        Greeting {
            version: Version::OURS,
            mechanism: MechanismName::NULL,
            as_server: false,
        }
    }

    #[test]
    fn round_trip_and_every_prefix_asks_for_more() {
        let bytes = ours().encode();
        assert_eq!(Greeting::parse(&bytes), Ok(Some(ours())));
        for n in 0..GREETING_LEN {
            assert_eq!(Greeting::parse(&bytes[..n]), Ok(None), "{n} bytes");
        }
    }

    #[test]
    fn version_3_0_and_newer_than_ours_are_taken() {
        for (major, minor) in [(3, 0), (3, 1), (3, 9), (4, 0)] {
            let mut bytes = ours().encode();
            bytes[10] = major;
            bytes[11] = minor;
            let got = Greeting::parse(&bytes).unwrap().unwrap();
            assert_eq!(got.version, Version { major, minor });
        }
    }

    #[test]
    fn old_versions_are_named_as_soon_as_they_show() {
        // libzmq 2.x: length 1, flags 0 (an anonymous identity).
        let v1 = Err(GreetingError::TooOld(OldVersion::V1));
        assert_eq!(Greeting::parse(&[1, 0]), v1);
        // A ZMTP 1.0 identity of 300 bytes.
        assert_eq!(Greeting::parse(&[255, 0, 0, 0, 0, 0, 0, 1, 45, 0]), v1);
        let mut v2 = [0u8; 11];
        v2[0] = 0xff;
        v2[9] = 0x7f;
        v2[10] = 1;
        assert_eq!(
            Greeting::parse(&v2),
            Err(GreetingError::TooOld(OldVersion::V2))
        );
        assert_eq!(
            Greeting::parse(b"GET / HTTP/1.1\r\n"),
            Err(GreetingError::NotZmtp { at: 0, byte: b'G' })
        );
        assert_eq!(
            Greeting::parse(&[0]),
            Err(GreetingError::NotZmtp { at: 0, byte: 0 })
        );
        assert_eq!(
            Greeting::parse(&[0xff; 10]),
            Err(GreetingError::NotZmtp { at: 9, byte: 0xff })
        );
    }

    #[test]
    fn a_foreign_mechanism_name_prints_on_one_line() {
        let mut bytes = ours().encode();
        bytes[12..32].copy_from_slice(b"A\nB\xff\0aaaaaaaaaaaaaaa");
        let got = Greeting::parse(&bytes).unwrap().unwrap();
        assert_eq!(got.mechanism.to_string(), "A\\nB\\xff");
    }
}
