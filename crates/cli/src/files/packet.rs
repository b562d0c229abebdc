//! The messages of a transfer.
//!
//! Each is a WHISPER of two or three frames: a marker, a JSON object, and the bytes
//! if the object is `data`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zre::Message;

/// The first frame of each message.
pub(super) const MARK: &[u8] = b"zre-file/1";

/// The header, and its value, by which a node announces that it accepts files.
pub(super) const HEADER: (&str, &str) = ("zre-file", "1");

/// The number of bytes of the file in one message.
pub(super) const CHUNK: usize = 64 * 1024;

/// The maximum number of bytes in flight: sent and not yet acknowledged by the
/// receiver.
pub(super) const WINDOW: u64 = 4 << 20;

/// The maximum length of the second frame, in bytes.
const LONGEST: usize = 4096;

/// The SHA-256 of the file's content, as 64 lower-case hex digits. It identifies a
/// transfer, and the receiver checks it at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(super) struct Id(String);

impl Id {
    pub(super) fn of(digest: &[u8]) -> Self {
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        match text.len() == 64 && text.bytes().all(hex) {
            true => Ok(Self(text)),
            false => Err("a SHA-256 is 64 lower-case hex digits"),
        }
    }
}

/// The object in the second frame.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(super) enum Packet {
    /// To the receiver: offers a file.
    Offer { id: Id, name: String, size: u64 },
    /// To the sender: accepts the file, from this offset on.
    Accept { id: Id, offset: u64 },
    /// To the receiver: the bytes at this offset are in the third frame.
    Data { id: Id, offset: u64 },
    /// To the sender: everything before this offset is written.
    Ack { id: Id, offset: u64 },
    /// To the sender: the file is complete, and its checksum is right.
    Done {
        id: Id,
        /// The name that the receiver gave the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// To the sender: the file isn't accepted, or no longer.
    Refuse { id: Id, why: String },
}

impl Packet {
    /// The file that the packet is about.
    pub(super) fn id(&self) -> &Id {
        match self {
            Self::Offer { id, .. }
            | Self::Accept { id, .. }
            | Self::Data { id, .. }
            | Self::Ack { id, .. }
            | Self::Done { id, .. }
            | Self::Refuse { id, .. } => id,
        }
    }

    pub(super) fn message(&self) -> Message {
        Message::from(vec![Bytes::from_static(MARK), self.json()])
    }

    /// The message with the bytes of `Data`.
    pub(super) fn message_with(&self, bytes: Bytes) -> Message {
        Message::from(vec![Bytes::from_static(MARK), self.json(), bytes])
    }

    fn json(&self) -> Bytes {
        // Serialising strings and numbers can't fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Whether a receiver takes a message of this length.
    pub(super) fn fits(&self) -> bool {
        self.json().len() <= LONGEST
    }

    /// Parses a packet and the bytes of `Data`; `None` for a message that isn't a
    /// valid packet.
    pub(super) fn of(message: &Message) -> Option<(Self, Bytes)> {
        let (mark, rest) = message.frames().split_first()?;
        let (json, rest) = rest.split_first()?;
        if mark != MARK || json.len() > LONGEST {
            return None;
        }
        let packet: Self = serde_json::from_slice(json).ok()?;
        match (&packet, rest) {
            (Self::Data { .. }, [bytes]) if !bytes.is_empty() => Some((packet, bytes.clone())),
            (Self::Data { .. }, _) => None,
            _ => Some((packet, Bytes::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let id = Id::of(&[0xab; 32]);
        let (name, why) = ("a \"b\"\u{e4}".to_owned(), "no".to_owned());
        for packet in [
            Packet::Offer {
                id: id.clone(),
                name,
                size: u64::MAX,
            },
            Packet::Accept {
                id: id.clone(),
                offset: 0,
            },
            Packet::Ack {
                id: id.clone(),
                offset: 7,
            },
            Packet::Done {
                id: id.clone(),
                name: Some("a".into()),
            },
            Packet::Done {
                id: id.clone(),
                name: None,
            },
            Packet::Refuse {
                id: id.clone(),
                why,
            },
        ] {
            assert_eq!(
                Packet::of(&packet.message()),
                Some((packet.clone(), Bytes::new()))
            );
        }
        let data = Packet::Data { id, offset: 9 };
        let message = data.message_with(Bytes::from_static(b"\0\xff"));
        assert_eq!(
            Packet::of(&message),
            Some((data.clone(), Bytes::from_static(b"\0\xff")))
        );
        assert_eq!(Packet::of(&data.message()), None);
    }

    #[test]
    fn what_is_something_else_is_left_alone() {
        let long = format!("{{\"do\":\"done\",\"id\":\"{}\"}}", "0".repeat(5000));
        for frames in [
            vec![],
            vec!["zre-file/1"],
            vec!["zre-file/2", "{}"],
            vec!["zre-file/1", "{}"],
            vec!["zre-file/1", r#"{"do":"done","id":"../../x"}"#],
            vec!["zre-file/1", r#"{"do":"dance"}"#],
            vec!["zre-file/1", &long],
        ] {
            let message: Message = frames
                .iter()
                .map(|frame| Bytes::copy_from_slice(frame.as_bytes()))
                .collect();
            assert_eq!(Packet::of(&message), None, "{frames:?}");
        }
    }
}
