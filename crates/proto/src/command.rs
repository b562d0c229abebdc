//! The messages that travel in a session.
//!
//! The grammar of RFC 36, with the two messages that C Zyre added for elections and
//! the one that it added for leaving. The first frame of each is a header:
//!
//! ```text
//! %xAA %xA1 | id, 1 byte | version = 2 | sequence, 2 bytes | fields
//! ```
//!
//! | id | message | fields | frames after the header |
//! | --- | --- | --- | --- |
//! | 1 | HELLO | endpoint, groups, status, name, headers | |
//! | 2 | WHISPER | | content |
//! | 3 | SHOUT | group | content |
//! | 4, 5 | JOIN, LEAVE | group, status | |
//! | 6, 7 | PING, PING-OK | | |
//! | 8 | ELECT | group, challenger id | |
//! | 9 | LEADER | group, leader id | |
//! | 10 | GOODBYE | | |
//! | 128 | STATE | state | |
//! | 129 | REQUEST | request id | content |
//! | 130 | REPLY | request id, outcome | content |
//! | 131 | UPDATE | name, headers | |
//!
//! STATE, REQUEST, REPLY and UPDATE belong to this project. An implementation that doesn't
//! know an id drops the message without counting its sequence number, and takes
//! the next message for a gap. Therefore 8 to 131 go only to peers that have shown
//! that they know them; GOODBYE may also go as the very last message.

use bytes::{BufMut, Bytes};

use crate::header::{
    ANSWERED, PREFIX, SIGNATURE, VERSION, id, put_prefix, reply_header, request_header,
    shout_header, whisper_header,
};
use crate::hello::Hello;
use crate::limits::MessageLimits;
use crate::message::Message;
use crate::profile::Profile;
use crate::state::State;
use crate::wire::{FieldError, Reader, STRING_MAX, put_string, text};
use crate::{Frames, Str};

/// One message between peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Opens a session: who the sender is and where to answer.
    Hello(Hello),
    /// A message to one peer.
    Whisper {
        /// The application's frames.
        content: Message,
    },
    /// A message to each member of a group.
    Shout {
        /// The group's name.
        group: Str,
        /// The application's frames.
        content: Message,
    },
    /// The sender joined a group.
    Join {
        /// The group's name.
        group: Str,
        /// The sender's status octet after joining.
        status: u8,
    },
    /// The sender left a group.
    Leave {
        /// The group's name.
        group: Str,
        /// The sender's status octet after leaving.
        status: u8,
    },
    /// Asks whether the peer is still there. The token stands behind the fields of the RFC,
    /// only for peers whose HELLO showed the header `X-ZRE-REQUEST`.
    Ping(Option<u64>),
    /// Answers a PING, with its token. The sender has read everything that came before it.
    PingOk(Option<u64>),
    /// A wave of an election in a contested group.
    Elect {
        /// The group's name.
        group: Str,
        /// The UUID of the wave's initiator: 32 upper-case hex digits.
        challenger_id: Str,
    },
    /// The result of an election.
    Leader {
        /// The group's name.
        group: Str,
        /// The UUID of the leader: 32 upper-case hex digits.
        leader_id: Str,
    },
    /// The sender leaves. No message follows.
    Goodbye,
    /// The sender's state changed. Only for peers whose HELLO showed the header
    /// `X-ZRE-STATE`.
    State(State),
    /// A message to one peer that wants an answer. Only for peers whose HELLO showed
    /// the header `X-ZRE-REQUEST`.
    Request {
        /// The id that the answer has to name. It means something to the sender only.
        id: u64,
        /// The application's frames.
        content: Message,
    },
    /// The answer to a REQUEST.
    Reply {
        /// The id of the REQUEST.
        id: u64,
        /// The application's frames; `None` if no answer will come.
        content: Option<Message>,
    },
    /// The sender's name and all its headers, one of which has changed. Only for peers
    /// whose HELLO showed the header `X-ZRE-UPDATE`.
    Update(Profile),
}

impl Command {
    /// The message's id on the wire.
    pub fn id(&self) -> u8 {
        match self {
            Self::Hello(_) => id::HELLO,
            Self::Whisper { .. } => id::WHISPER,
            Self::Shout { .. } => id::SHOUT,
            Self::Join { .. } => id::JOIN,
            Self::Leave { .. } => id::LEAVE,
            Self::Ping(_) => id::PING,
            Self::PingOk(_) => id::PING_OK,
            Self::Elect { .. } => id::ELECT,
            Self::Leader { .. } => id::LEADER,
            Self::Goodbye => id::GOODBYE,
            Self::State(_) => id::STATE,
            Self::Request { .. } => id::REQUEST,
            Self::Reply { .. } => id::REPLY,
            Self::Update(_) => id::UPDATE,
        }
    }

    /// The message's name in the RFC, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "HELLO",
            Self::Whisper { .. } => "WHISPER",
            Self::Shout { .. } => "SHOUT",
            Self::Join { .. } => "JOIN",
            Self::Leave { .. } => "LEAVE",
            Self::Ping(_) => "PING",
            Self::PingOk(_) => "PING-OK",
            Self::Elect { .. } => "ELECT",
            Self::Leader { .. } => "LEADER",
            Self::Goodbye => "GOODBYE",
            Self::State(_) => "STATE",
            Self::Request { .. } => "REQUEST",
            Self::Reply { .. } => "REPLY",
            Self::Update(_) => "UPDATE",
        }
    }

    /// The frames of the message with this sequence number: its header, and for the
    /// application's messages the content, which is shared and not copied.
    ///
    /// A `string` that is longer than the wire allows (255 bytes) is cut at the edge
    /// of a character. Check the user's values with [`MessageLimits`] first.
    pub fn encode(&self, sequence: u16) -> Frames {
        let mut frames = Frames::new();
        match self {
            Self::Hello(hello) => frames.push(hello.encode(sequence)),
            Self::Whisper { content } => {
                frames.push(Bytes::copy_from_slice(&whisper_header(sequence)));
                frames.extend(content.frames().iter().cloned());
            }
            Self::Shout { group, content } => {
                frames.push(Bytes::copy_from_slice(&shout_header(group, sequence)));
                frames.extend(content.frames().iter().cloned());
            }
            Self::Request { id, content } => {
                frames.push(Bytes::copy_from_slice(&request_header(*id, sequence)));
                frames.extend(content.frames().iter().cloned());
            }
            Self::Reply { id, content } => {
                let header = reply_header(*id, content.is_some(), sequence);
                frames.push(Bytes::copy_from_slice(&header));
                frames.extend(content.iter().flat_map(Message::frames).cloned());
            }
            other => {
                let mut out = Vec::with_capacity(64);
                put_prefix(&mut out, other.id(), sequence);
                other.put_fields(&mut out);
                frames.push(Bytes::from(out));
            }
        }
        frames
    }

    /// The fields of the messages that fit in a small header.
    fn put_fields(&self, out: &mut Vec<u8>) {
        match self {
            Self::Join { group, status } | Self::Leave { group, status } => {
                put_string(out, group);
                out.put_u8(*status);
            }
            Self::Elect {
                group,
                challenger_id: node,
            }
            | Self::Leader {
                group,
                leader_id: node,
            } => {
                put_string(out, group);
                put_string(out, node);
            }
            Self::State(state) => out.put_u8(u8::from(*state)),
            Self::Update(profile) => profile.encode(out),
            Self::Hello(_) | Self::Whisper { .. } | Self::Shout { .. } => {}
            Self::Request { .. } | Self::Reply { .. } => {}
            Self::Ping(Some(token)) | Self::PingOk(Some(token)) => out.put_u64(*token),
            Self::Ping(None) | Self::PingOk(None) | Self::Goodbye => {}
        }
    }

    /// Reads a message and its sequence number.
    ///
    /// `frames` are those of one message without the routing id. Content isn't
    /// copied. As in C Zyre, bytes after the last field are ignored, and so are
    /// frames after the header of a message that has no content. Text that isn't
    /// UTF-8 is read with replacement characters.
    ///
    /// # Errors
    /// See [`DecodeError`]. Nothing is allocated for a length or a count that
    /// exceeds what the frames contain.
    pub fn decode(frames: Frames, limits: &MessageLimits) -> Result<(u16, Self), DecodeError> {
        let (header, content) = split_header(frames);
        Self::decode_split(&header, content, limits)
    }

    /// The sequence number, if [`decode_split`](Self::decode_split) would read a
    /// WHISPER. These come by the million, and needn't become a [`Command`] first.
    #[inline]
    pub(crate) fn whisper_sequence(
        header: &[u8],
        content: &Frames,
        limits: &MessageLimits,
    ) -> Option<u16> {
        const START: [u8; 4] = [SIGNATURE[0], SIGNATURE[1], id::WHISPER, VERSION];
        let (start, rest) = header.split_first_chunk::<4>()?;
        let (number, _) = rest.split_first_chunk::<2>()?;
        let allowed =
            header.len() <= limits.header_frame_bytes && content.len() <= limits.max_frames;
        (*start == START && allowed).then(|| u16::from_be_bytes(*number))
    }

    /// Whether a message with that header is a HELLO, if it can be read.
    #[must_use]
    pub fn is_hello(header: &[u8]) -> bool {
        header.starts_with(&[SIGNATURE[0], SIGNATURE[1], id::HELLO, VERSION])
    }

    /// As [`decode`](Self::decode), if the header is apart from the content.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_split(
        header: &[u8],
        content: Frames,
        limits: &MessageLimits,
    ) -> Result<(u16, Self), DecodeError> {
        let Some((prefix, fields)) = header.split_first_chunk::<PREFIX>() else {
            return Err(DecodeError::NotZre);
        };
        let [first, second, id, version, high, low] = *prefix;
        // RFC 36: "A node SHALL silently discard any message received that does
        // not start with these two octets."
        if [first, second] != SIGNATURE {
            return Err(DecodeError::NotZre);
        }
        // RFC 36: "A node SHALL discard messages that do not contain a valid
        // version number."
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let sequence = u16::from_be_bytes([high, low]);
        let wrong = |error| match error {
            FieldError::Short(what) => DecodeError::Malformed { id, sequence, what },
            FieldError::Limit(what, limit) => DecodeError::Limit {
                id,
                sequence,
                what,
                limit,
            },
        };
        let most = match id {
            id::HELLO | id::UPDATE => limits.hello_bytes,
            _ => limits.header_frame_bytes,
        };
        if header.len() > most {
            return Err(wrong(FieldError::Limit("header frame bytes", most)));
        }
        let content = || {
            if content.len() > limits.max_frames {
                return Err(FieldError::Limit("content frames", limits.max_frames));
            }
            Ok(Message::from(content))
        };
        let mut reader = Reader::new(fields);
        let command = match id {
            id::HELLO => Hello::decode(&mut reader, limits).map(Self::Hello),
            id::WHISPER => content().map(|content| Self::Whisper { content }),
            id::SHOUT => group(&mut reader, limits).and_then(|group| {
                let content = content()?;
                Ok(Self::Shout { group, content })
            }),
            id::REQUEST => reader.number8("request id").and_then(|id| {
                let content = content()?;
                Ok(Self::Request { id, content })
            }),
            id::REPLY => reader.number8("request id").and_then(|id| {
                let answered = reader.number1("outcome")? == ANSWERED;
                let content = answered.then(content).transpose()?;
                Ok(Self::Reply { id, content })
            }),
            _ => match Self::decode_fields(id, &mut reader, limits) {
                Ok(Some(command)) => Ok(command),
                Ok(None) => return Err(DecodeError::UnknownCommand { id, sequence }),
                Err(error) => Err(error),
            },
        };
        command.map(|command| (sequence, command)).map_err(wrong)
    }

    /// The messages that fit in a small header; `None` for an unknown id.
    fn decode_fields(
        id: u8,
        reader: &mut Reader<'_>,
        limits: &MessageLimits,
    ) -> Result<Option<Self>, FieldError> {
        Ok(Some(match id {
            id::JOIN => Self::Join {
                group: group(reader, limits)?,
                status: reader.number1("status")?,
            },
            id::LEAVE => Self::Leave {
                group: group(reader, limits)?,
                status: reader.number1("status")?,
            },
            id::PING => Self::Ping(reader.number8("token").ok()),
            id::PING_OK => Self::PingOk(reader.number8("token").ok()),
            id::ELECT => Self::Elect {
                group: group(reader, limits)?,
                challenger_id: text(reader.string("challenger id", STRING_MAX)?, STRING_MAX).into(),
            },
            id::LEADER => Self::Leader {
                group: group(reader, limits)?,
                leader_id: text(reader.string("leader id", STRING_MAX)?, STRING_MAX).into(),
            },
            id::GOODBYE => Self::Goodbye,
            id::STATE => Self::State(State::from(reader.number1("state")?)),
            id::UPDATE => Self::Update(Profile::decode(reader, limits)?),
            _ => return Ok(None),
        }))
    }
}

/// Separates the header of a message from its content. Without frames, the header is
/// empty.
pub fn split_header(mut frames: Frames) -> (Bytes, Frames) {
    let header = frames.take_first().unwrap_or_default();
    (header, frames)
}

fn group(reader: &mut Reader<'_>, limits: &MessageLimits) -> Result<Str, FieldError> {
    let bytes = reader.string("group name", limits.group_bytes)?;
    Ok(text(bytes, limits.group_bytes).into())
}

/// Why frames aren't a message that this node understands.
///
/// If [`sequence`](Self::sequence) returns a number, the message belongs to the
/// session and counts as received; otherwise nothing is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No frame, too few bytes for a header, or another signature: not ZRE.
    #[error("not a ZRE message: another program has connected to this port")]
    NotZre,
    /// Another version of the protocol.
    #[error("a ZRE message of version {0}; this node speaks version 2")]
    Version(u8),
    /// An id that this node doesn't know.
    #[error("a ZRE message with the unknown id {id}")]
    UnknownCommand {
        /// The id.
        id: u8,
        /// Its sequence number.
        sequence: u16,
    },
    /// The header frame ends inside a field.
    #[error("a ZRE message with id {id} ends before its field {what:?} does")]
    Malformed {
        /// The message's id.
        id: u8,
        /// Its sequence number.
        sequence: u16,
        /// The field.
        what: &'static str,
    },
    /// It is well formed, and it exceeds one of the [`MessageLimits`].
    #[error("a ZRE message with id {id} exceeds the limit of {limit} for {what}")]
    Limit {
        /// The message's id.
        id: u8,
        /// Its sequence number.
        sequence: u16,
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl DecodeError {
    /// The message's sequence number, if it has one.
    pub fn sequence(&self) -> Option<u16> {
        match self {
            Self::NotZre | Self::Version(_) => None,
            Self::UnknownCommand { sequence, .. }
            | Self::Malformed { sequence, .. }
            | Self::Limit { sequence, .. } => Some(*sequence),
        }
    }

    /// The message's id, if it has one.
    pub fn id(&self) -> Option<u8> {
        match self {
            Self::NotZre | Self::Version(_) => None,
            Self::UnknownCommand { id, .. }
            | Self::Malformed { id, .. }
            | Self::Limit { id, .. } => Some(*id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, shout_header, whisper_header};

    #[test]
    fn a_log_names_messages_as_the_rfc_does() {
        assert_eq!(Command::Ping(None).name(), "PING");
        assert_eq!(Command::PingOk(Some(7)).name(), "PING-OK");
        assert_eq!(Command::Goodbye.name(), "GOODBYE");
    }

    #[test]
    fn whisper_sequence_recognises_exactly_what_decoding_reads_as_whisper() {
        let limits = MessageLimits {
            header_frame_bytes: 20,
            max_frames: 2,
            ..MessageLimits::default()
        };
        let whisper = whisper_header(0x0102).to_vec();
        let mut headers = vec![vec![], whisper.clone(), shout_header("one", 3).to_vec()];
        for len in 0..=whisper.len() {
            headers.push(whisper[..len].to_vec());
        }
        for (at, octet) in (0..whisper.len()).flat_map(|at| (0..=255).map(move |o| (at, o))) {
            let mut header = whisper.clone();
            header[at] = octet;
            headers.push(header);
        }
        for more in [1, 14, 15] {
            headers.push([&whisper[..], &vec![7; more]].concat());
        }
        let mut whispers = 0;
        for header in headers {
            for frames in 0..4 {
                let content: Frames = std::iter::repeat_n(Bytes::new(), frames).collect();
                let recognised = Command::whisper_sequence(&header, &content, &limits);
                let read = Command::decode_split(&header, content.clone(), &limits);
                let content = Message::from(content);
                match recognised {
                    Some(number) => assert_eq!(read, Ok((number, Command::Whisper { content }))),
                    None => assert!(!matches!(read, Ok((_, Command::Whisper { .. })))),
                }
                whispers += usize::from(recognised.is_some());
            }
        }
        // Each sequence number is valid: 256 values in each of 2 octets, the whole
        // header 4 + 2 times, and two of the longer headers; with 0, 1 or 2 frames.
        assert_eq!(whispers, 3 * (2 * 256 + 4 + 2 + 2));
    }
}
