//! The datagrams by which nodes find each other.
//!
//! ```text
//! classic, 22 bytes    'Z' 'R' 'E' %x01 | UUID, 16 bytes | port, 2 bytes
//! state,   23 bytes    'Z' 'R' 'E' %x01 | UUID, 16 bytes | port, 2 bytes | state, 1 byte
//! CURVE,   54 bytes    'Z' 'R' 'E' %x03 | UUID, 16 bytes | port, 2 bytes | public key, 32 bytes
//! both,    55 bytes    'Z' 'R' 'E' %x03 | UUID, 16 bytes | port, 2 bytes | public key, 32 bytes
//!                      | state, 1 byte
//! ```
//!
//! The port is that of the node's inbox, in network byte order. Port 0 means that the
//! node leaves. The classic form is from RFC 36, the CURVE form from C Zyre, and those
//! with a state are a proposal of this project. Not every form may be sent to every
//! address, because a form that it doesn't know ends pyre: see `docs/protocol.md`. All
//! are understood wherever they come from.

use uuid::Uuid;

use crate::state::State;
use crate::wire::Reader;

/// The bytes of the longest beacon, the CURVE form with a state.
pub const BEACON_MAX: usize = 55;

const SIGNATURE: &[u8; 3] = b"ZRE";
const CLASSIC_LENGTH: usize = 22;
const STATE_LENGTH: usize = 23;
const CURVE_LENGTH: usize = 54;
const CURVE_STATE_LENGTH: usize = BEACON_MAX;
/// Version octet of the classic and the state form.
const VERSION_CLASSIC: u8 = 1;
/// Version octet of the CURVE form.
const VERSION_CURVE: u8 = 3;

/// One beacon, in any of its forms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Beacon {
    /// The form of RFC 36, which every implementation understands.
    Classic {
        /// The sender.
        uuid: Uuid,
        /// The TCP port of its inbox, at the address that the datagram came from; 0
        /// if the node leaves.
        port: u16,
    },
    /// C Zyre's form for nodes that speak only CURVE, or ours, which has a state, too.
    Curve {
        /// The sender.
        uuid: Uuid,
        /// As in the classic form; with a state, as in the state form.
        port: u16,
        /// The node's permanent public key. Nothing proves here that it is.
        public_key: [u8; 32],
        /// The node's state, in our form.
        state: Option<State>,
    },
    /// The classic form with the node's state.
    State {
        /// The sender.
        uuid: Uuid,
        /// As in the classic form, except that a leaving node shows [`State::Exit`]
        /// and the port that it closes.
        port: u16,
        /// The node's state.
        state: State,
    },
}

impl Beacon {
    /// The sender.
    pub fn uuid(&self) -> Uuid {
        match self {
            Self::Classic { uuid, .. } | Self::Curve { uuid, .. } | Self::State { uuid, .. } => {
                *uuid
            }
        }
    }

    /// The TCP port of the sender's inbox; 0 in the classic and the CURVE form of a
    /// node that leaves.
    pub fn port(&self) -> u16 {
        match self {
            Self::Classic { port, .. } | Self::Curve { port, .. } | Self::State { port, .. } => {
                *port
            }
        }
    }

    /// The sender's state; `None` in the forms that have none.
    pub fn state(&self) -> Option<State> {
        match self {
            Self::State { state, .. } => Some(*state),
            Self::Curve { state, .. } => *state,
            Self::Classic { .. } => None,
        }
    }

    /// Whether the sender leaves: port 0, or the state `Exit`.
    ///
    /// RFC 36: "When a ZRE node receives a beacon from a known node, with a zero
    /// port number, it SHALL disconnect from this peer."
    pub fn is_leaving(&self) -> bool {
        self.port() == 0 || self.state() == Some(State::Exit)
    }

    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let version = match self {
            Self::Classic { .. } | Self::State { .. } => VERSION_CLASSIC,
            Self::Curve { .. } => VERSION_CURVE,
        };
        let mut out = Vec::with_capacity(BEACON_MAX);
        out.extend_from_slice(SIGNATURE);
        out.push(version);
        out.extend_from_slice(self.uuid().as_bytes());
        out.extend_from_slice(&self.port().to_be_bytes());
        match self {
            Self::Classic { .. } => {}
            Self::Curve {
                public_key, state, ..
            } => {
                out.extend_from_slice(public_key);
                out.extend(state.map(u8::from));
            }
            Self::State { state, .. } => out.push(u8::from(*state)),
        }
        out
    }

    /// Reads a datagram.
    ///
    /// RFC 36: "A node that receives an invalid beacon SHALL discard it silently."
    ///
    /// # Errors
    /// The datagram isn't exactly one of the forms. Drop and count it.
    pub fn decode(datagram: &[u8]) -> Result<Self, BeaconError> {
        let Some((signature, rest)) = datagram.split_first_chunk() else {
            return Err(BeaconError::NotZre);
        };
        if signature != SIGNATURE {
            return Err(BeaconError::NotZre);
        }
        let wrong_length = |version| BeaconError::Length {
            version,
            length: datagram.len(),
        };
        let (version, rest) = rest.split_first().ok_or(BeaconError::NotZre)?;
        let (uuid, rest) = match *version {
            VERSION_CLASSIC | VERSION_CURVE => rest
                .split_first_chunk()
                .ok_or_else(|| wrong_length(*version))?,
            other => return Err(BeaconError::Version(other)),
        };
        let uuid = Uuid::from_bytes(*uuid);
        let mut reader = Reader::new(rest);
        let port = reader.number2("port").map_err(|_| wrong_length(*version))?;
        let tail = rest.get(2..).unwrap_or_default();
        match (*version, datagram.len()) {
            (VERSION_CLASSIC, CLASSIC_LENGTH) => Ok(Self::Classic { uuid, port }),
            (VERSION_CLASSIC, STATE_LENGTH) => match tail {
                [octet] => Ok(Self::State {
                    uuid,
                    port,
                    state: State::from(*octet),
                }),
                _ => Err(wrong_length(*version)),
            },
            (VERSION_CURVE, CURVE_LENGTH | CURVE_STATE_LENGTH) => {
                let (public_key, state) = tail
                    .split_first_chunk()
                    .ok_or_else(|| wrong_length(*version))?;
                Ok(Self::Curve {
                    uuid,
                    port,
                    public_key: *public_key,
                    state: state.first().map(|octet| State::from(*octet)),
                })
            }
            _ => Err(wrong_length(*version)),
        }
    }
}

/// Why a datagram isn't a beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BeaconError {
    /// It doesn't begin with `ZRE` and a version: another program uses the port.
    #[error("not a ZRE beacon: another program uses this UDP port; choose another beacon port")]
    NotZre,
    /// An unknown version; 1 and 3 are known.
    #[error("a ZRE beacon of unknown version {0}")]
    Version(u8),
    /// A known version with a length that none of its forms has.
    #[error("a ZRE beacon of version {version} with {length} bytes, which no form of it has")]
    Length {
        /// The version octet.
        version: u8,
        /// The bytes of the datagram.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: Uuid = Uuid::from_bytes([7; 16]);

    fn forms() -> [Beacon; 4] {
        [
            Beacon::Classic {
                uuid: UUID,
                port: 49152,
            },
            Beacon::Curve {
                uuid: UUID,
                port: 49152,
                public_key: [9; 32],
                state: None,
            },
            Beacon::State {
                uuid: UUID,
                port: 49152,
                state: State::Busy,
            },
            Beacon::Curve {
                uuid: UUID,
                port: 49152,
                public_key: [9; 32],
                state: Some(State::Busy),
            },
        ]
    }

    #[test]
    fn each_form_has_its_length_and_is_read_back() {
        let lengths = forms().map(|beacon| {
            let datagram = beacon.encode();
            assert_eq!(Beacon::decode(&datagram), Ok(beacon));
            datagram.len()
        });
        assert_eq!(lengths, [22, 54, 23, 55]);
    }

    #[test]
    fn no_other_length_is_a_beacon() {
        for beacon in forms() {
            let mut datagram = beacon.encode().to_vec();
            datagram.resize(2000, 1);
            let version = datagram[3];
            for length in 0..datagram.len() {
                let decoded = Beacon::decode(&datagram[..length]);
                let expected = match (version, length) {
                    (1, 22 | 23) | (3, 54 | 55) => Ok(()),
                    (_, 0..=3) => Err(BeaconError::NotZre),
                    _ => Err(BeaconError::Length { version, length }),
                };
                assert_eq!(decoded.map(drop), expected, "{length} bytes");
            }
        }
    }

    #[test]
    fn leaving_is_port_zero_or_exit() {
        assert!(!forms().iter().any(Beacon::is_leaving));
        assert!(
            Beacon::Curve {
                uuid: UUID,
                port: 49152,
                public_key: [9; 32],
                state: Some(State::Exit)
            }
            .is_leaving()
        );
        assert!(
            Beacon::Classic {
                uuid: UUID,
                port: 0
            }
            .is_leaving()
        );
        assert!(
            Beacon::State {
                uuid: UUID,
                port: 49152,
                state: State::Exit
            }
            .is_leaving()
        );
    }

    #[test]
    fn other_datagrams_are_recognised() {
        assert_eq!(Beacon::decode(b"ZRX\x01"), Err(BeaconError::NotZre));
        assert_eq!(Beacon::decode(b"ZRE\x02"), Err(BeaconError::Version(2)));
    }
}
