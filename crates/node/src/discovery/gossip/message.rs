//! czmq's zgossip messages, as bytes.
//!
//! One ZeroMQ frame each: `AA A0 | id | version = 1 | fields`. PUBLISH has a key
//! (one byte of length), a value (four) and a time to live in milliseconds.

use bytes::{BufMut, Bytes, BytesMut};

const SIGNATURE: [u8; 2] = [0xaa, 0xa0];
const VERSION: u8 = 1;

/// The longest key that the wire allows.
pub(super) const KEY: usize = u8::MAX as usize;

/// The longest value that is kept. An endpoint with a host name and a public key has a
/// third of it.
pub(super) const VALUE: usize = 1024;

/// A message between neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GossipMessage {
    /// A client connects, and wants all tuples.
    Hello,
    /// A tuple.
    Publish {
        key: String,
        value: String,
        /// For how many milliseconds it is valid; 0 for ever. czmq sends 0.
        ttl: u32,
    },
    /// A client is still here.
    Ping,
    /// The answer to PING.
    Pong,
    /// The server doesn't know the client, which must say HELLO again.
    Invalid,
}

/// Why bytes aren't a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageError {
    #[error("not a gossip message: it doesn't begin with aa a0, an id and version 1")]
    Foreign,
    #[error("a gossip message with the unknown id {0}")]
    Unknown(u8),
    #[error("a gossip message that ends too early, or too late")]
    Length,
    #[error("a tuple without a key, or with text that isn't UTF-8")]
    Text,
    #[error("a value of {0} bytes, more than {VALUE}")]
    Value(u32),
}

impl GossipMessage {
    pub(super) fn decode(frame: &[u8]) -> Result<Self, MessageError> {
        let [a, b, id, version, rest @ ..] = frame else {
            return Err(MessageError::Foreign);
        };
        if [*a, *b] != SIGNATURE || *version != VERSION {
            return Err(MessageError::Foreign);
        }
        let bare = match id {
            1 => Self::Hello,
            2 => return decode_publish(rest),
            3 => Self::Ping,
            4 => Self::Pong,
            5 => Self::Invalid,
            _ => return Err(MessageError::Unknown(*id)),
        };
        if rest.is_empty() {
            Ok(bare)
        } else {
            Err(MessageError::Length)
        }
    }

    /// The frame. A key is cut after 255 bytes; ours are shorter.
    pub(super) fn encode(&self) -> Bytes {
        let fields = match self {
            Self::Publish { key, value, .. } => {
                key.len().saturating_add(value.len()).saturating_add(9)
            }
            _ => 0,
        };
        // Thousands of them may wait, and a buffer that grew would be half empty.
        let mut out = BytesMut::with_capacity(fields.saturating_add(4));
        let id = match self {
            Self::Hello => 1,
            Self::Publish { .. } => 2,
            Self::Ping => 3,
            Self::Pong => 4,
            Self::Invalid => 5,
        };
        out.put_slice(&[SIGNATURE[0], SIGNATURE[1], id, VERSION]);
        if let Self::Publish { key, value, ttl } = self {
            let len = u8::try_from(key.len()).unwrap_or(u8::MAX);
            out.put_u8(len);
            out.put_slice(key.as_bytes().get(..len.into()).unwrap_or_default());
            out.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            out.put_slice(value.as_bytes());
            out.put_u32(*ttl);
        }
        out.freeze()
    }
}

fn decode_publish(rest: &[u8]) -> Result<GossipMessage, MessageError> {
    let (&len, rest) = rest.split_first().ok_or(MessageError::Length)?;
    let (key, rest) = rest
        .split_at_checked(len.into())
        .ok_or(MessageError::Length)?;
    let (len, rest) = rest.split_first_chunk().ok_or(MessageError::Length)?;
    let len = u32::from_be_bytes(*len);
    let size = usize::try_from(len)
        .ok()
        .filter(|size| *size <= VALUE)
        .ok_or(MessageError::Value(len))?;
    let (value, rest) = rest.split_at_checked(size).ok_or(MessageError::Length)?;
    let ttl = rest.try_into().map_err(|_| MessageError::Length)?;
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| MessageError::Text)?;
        Ok(text.to_owned())
    };
    // A tuple without a key crashes a C Zyre that runs with CURVE, therefore it isn't
    // passed on.
    if key.is_empty() {
        return Err(MessageError::Text);
    }
    Ok(GossipMessage::Publish {
        key: text(key)?,
        value: text(value)?,
        ttl: u32::from_be_bytes(ttl),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// As a C Zyre (d8370f7) in gossip mode sent them.
    #[test]
    fn captured_messages_are_read_and_written() {
        let publish = |key: &str, value: &str| GossipMessage::Publish {
            key: key.into(),
            value: value.into(),
            ttl: 0,
        };
        let captures = [
            ("aaa00101", GossipMessage::Hello),
            (
                "aaa00201203846374334423541414141413436453439324637353132343833363739423039000000157463703a2f2f31302e37372e302e313a333030313200000000",
                publish("8F7C4B5AAAAA46E492F7512483679B09", "tcp://10.77.0.1:30012"),
            ),
            (
                "aaa00201203244333642394137353839413432353138303644414139353645414433354637000000157463703a2f2f31302e37372e302e313a333030313100000000",
                publish("2D36B9A7589A4251806DAA956EAD35F7", "tcp://10.77.0.1:30011"),
            ),
        ];
        for (hex, message) in captures {
            assert_eq!(GossipMessage::decode(&bytes(hex)).unwrap(), message);
            assert_eq!(message.encode(), bytes(hex));
        }
        for message in [
            GossipMessage::Ping,
            GossipMessage::Pong,
            GossipMessage::Invalid,
        ] {
            assert_eq!(GossipMessage::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = GossipMessage::Publish {
            key: "k".into(),
            value: "v".into(),
            ttl: 7,
        }
        .encode();
        for len in 0..good.len() {
            assert!(GossipMessage::decode(&good[..len]).is_err(), "{len}");
        }
        let mut long = good.to_vec();
        long.push(0);
        assert_eq!(GossipMessage::decode(&long), Err(MessageError::Length));
        assert_eq!(
            GossipMessage::decode(&bytes("aaa00109")),
            Err(MessageError::Foreign)
        );
        assert_eq!(
            GossipMessage::decode(&bytes("aaa00901")),
            Err(MessageError::Unknown(9))
        );
        assert_eq!(
            GossipMessage::decode(&bytes("aaa0010100")),
            Err(MessageError::Length)
        );
        // No key; a value that would be 4 GiB; not UTF-8.
        for hex in [
            "aaa00201000000000176 00000000",
            "aaa00201016bffffffff",
            "aaa0020101ff000000017600000000",
        ] {
            let frame = bytes(&hex.replace(' ', ""));
            assert!(GossipMessage::decode(&frame).is_err(), "{hex}");
        }
    }
}
