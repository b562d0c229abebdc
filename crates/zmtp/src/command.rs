//! Commands: frames that belong to the connection, not to a message.

use bytes::{BufMut, Bytes};

use crate::FrameHeader;
use crate::metadata::{Metadata, MetadataError};

/// Longest context of a PING. RFC 37: "ping-context = 0*16OCTET".
const PING_CONTEXT: usize = 16;

/// A command, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// The only command of NULL's handshake: what the sender says about itself.
    Ready(Metadata),
    /// The peer refuses us and closes.
    Error {
        /// Its reason, as text for humans. Untrusted bytes.
        reason: Bytes,
    },
    /// Answer with [`Encoder::push_pong`](crate::Encoder::push_pong) and the same context.
    Ping {
        /// How long the peer may be silent before we should disconnect it, in
        /// tenths of a second; 0 if it doesn't say.
        ttl_deciseconds: u16,
        /// At most 16 bytes to return.
        context: Bytes,
    },
    /// The answer to a PING of ours.
    Pong {
        /// The context of that PING.
        context: Bytes,
    },
    /// Anything else (SUBSCRIBE, or newer than 3.1): to be ignored once the
    /// handshake is over.
    Unknown(RawCommand),
}

/// A command whose fields aren't read: a security mechanism has its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCommand {
    /// Its name, 1 to 255 bytes, unchecked.
    pub name: Bytes,
    /// The bytes behind the name.
    pub fields: Bytes,
}

/// A command whose body doesn't follow its grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// RFC 23: "command-name = OCTET 1*255command-name-char".
    #[error("a command without a name")]
    Name,
    /// The body ends before its fields do, or after them.
    #[error("a {0} command with a malformed body")]
    Body(&'static str),
    /// A READY whose properties are malformed.
    #[error("a READY command with bad {0}")]
    Metadata(#[from] MetadataError),
}

impl RawCommand {
    /// Splits the body of a command frame into name and fields.
    ///
    /// # Errors
    ///
    /// [`CommandError::Name`].
    pub fn parse(body: Bytes) -> Result<RawCommand, CommandError> {
        let end = 1 + usize::from(*body.first().ok_or(CommandError::Name)?);
        if end == 1 || end > body.len() {
            return Err(CommandError::Name);
        }
        Ok(RawCommand {
            name: body.slice(1..end),
            fields: body.slice(end..),
        })
    }
}

impl Command {
    /// Reads the body of a command frame.
    ///
    /// # Errors
    ///
    /// A known command with a malformed body. Unknown ones are never errors.
    pub fn parse(body: Bytes) -> Result<Command, CommandError> {
        RawCommand::parse(body)?.try_into()
    }
}

impl TryFrom<RawCommand> for Command {
    type Error = CommandError;

    fn try_from(raw: RawCommand) -> Result<Command, CommandError> {
        let rest = raw.fields.clone();
        match &raw.name[..] {
            b"READY" => Ok(Command::Ready(Metadata::parse(rest)?)),
            b"ERROR" => {
                let len = usize::from(*rest.first().ok_or(CommandError::Body("ERROR"))?);
                if rest.len() < 1 + len {
                    return Err(CommandError::Body("ERROR"));
                }
                let reason = rest.slice(1..1 + len);
                Ok(Command::Error { reason })
            }
            b"PING" => {
                let ttl = rest
                    .first_chunk::<2>()
                    .ok_or(CommandError::Body("PING"))
                    .map(|b| u16::from_be_bytes(*b))?;
                let context = rest.slice(2..);
                if context.len() > PING_CONTEXT {
                    return Err(CommandError::Body("PING"));
                }
                Ok(Command::Ping {
                    ttl_deciseconds: ttl,
                    context,
                })
            }
            // RFC 37 bounds the context of a PING: a longer PONG answers none. It is
            // harmless and kept whole.
            b"PONG" => Ok(Command::Pong { context: rest }),
            _ => Ok(Command::Unknown(raw)),
        }
    }
}

/// Writes a command in the clear, its frame included; the name is cut after 255
/// bytes, the fields follow each other as they are.
///
/// For mechanisms, and for commands before the handshake is over. Afterwards
/// [`crate::Encoder`] writes them, because it may have to seal them.
pub fn encode_command(name: &[u8], fields: &[&[u8]], out: &mut impl BufMut) {
    put(&body(name, fields), out);
}

fn put(body: &[u8], out: &mut impl BufMut) {
    FrameHeader {
        more: false,
        command: true,
        len: body.len() as u64,
    }
    .encode(out);
    out.put_slice(body);
}

fn body(name: &[u8], fields: &[&[u8]]) -> Vec<u8> {
    let name = cut(name, 255);
    let mut body = Vec::with_capacity(64);
    body.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    body.put_slice(name);
    for field in fields {
        body.put_slice(field);
    }
    body
}

/// The first `most` bytes, or all if there are fewer.
fn cut(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// The body of an ERROR command; the reason is cut after 255 bytes.
pub(crate) fn error_body(reason: &str) -> Vec<u8> {
    let reason = cut(reason.as_bytes(), 255);
    let len = u8::try_from(reason.len()).unwrap_or(u8::MAX);
    body(b"ERROR", &[&[len], reason])
}

/// The body of a PONG command; the context is cut after 16 bytes.
pub(crate) fn pong_body(context: &[u8]) -> Vec<u8> {
    body(b"PONG", &[cut(context, PING_CONTEXT)])
}

/// Writes an ERROR command in the clear; the reason is cut after 255 bytes.
pub fn encode_error(reason: &str, out: &mut impl BufMut) {
    put(&error_body(reason), out);
}

/// Writes a PING command in the clear; the context is cut after 16 bytes.
pub fn encode_ping(ttl_deciseconds: u16, context: &[u8], out: &mut impl BufMut) {
    let context = cut(context, PING_CONTEXT);
    encode_command(b"PING", &[&ttl_deciseconds.to_be_bytes(), context], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(frame: &[u8]) -> Bytes {
        let (header, taken) = FrameHeader::parse(frame).unwrap().unwrap();
        assert!(header.command && !header.more);
        assert_eq!(header.len as usize, frame.len() - taken);
        Bytes::copy_from_slice(&frame[taken..])
    }

    #[test]
    fn ping_and_pong_carry_their_context() {
        let mut out = Vec::new();
        encode_ping(7, b"0123456789abcdef", &mut out);
        assert_eq!(&out[..9], b"\x04\x17\x04PING\x00\x07");
        assert_eq!(
            Command::parse(body_of(&out)),
            Ok(Command::Ping {
                ttl_deciseconds: 7,
                context: Bytes::from_static(b"0123456789abcdef")
            })
        );
        assert_eq!(pong_body(b"hi"), b"\x04PONGhi");
        assert_eq!(
            Command::parse(pong_body(b"hi").into()),
            Ok(Command::Pong {
                context: Bytes::from_static(b"hi")
            })
        );
    }

    #[test]
    fn a_ping_with_seventeen_bytes_of_context_is_malformed() {
        let bytes = b"\x04PING\x00\x000123456789abcdefg";
        assert_eq!(
            Command::parse(Bytes::from_static(bytes)),
            Err(CommandError::Body("PING"))
        );
    }

    #[test]
    fn error_reasons_are_cut_not_refused() {
        let mut out = Vec::new();
        encode_error(&"x".repeat(400), &mut out);
        let Ok(Command::Error { reason }) = Command::parse(body_of(&out)) else {
            panic!("not an ERROR");
        };
        assert_eq!(reason.len(), 255);
    }

    #[test]
    fn truncated_bodies_are_errors_and_unknown_names_are_not() {
        for bytes in [&b""[..], b"\x00", b"\x05READ"] {
            assert_eq!(
                Command::parse(Bytes::copy_from_slice(bytes)),
                Err(CommandError::Name)
            );
        }
        for bytes in [
            &b"\x04PING"[..],
            b"\x04PING\x00",
            b"\x05ERROR",
            b"\x05ERROR\x02x",
        ] {
            assert!(matches!(
                Command::parse(Bytes::copy_from_slice(bytes)),
                Err(CommandError::Body(_))
            ));
        }
        assert_eq!(
            Command::parse(Bytes::from_static(b"\x09SUBSCRIBEtopic")),
            Ok(Command::Unknown(RawCommand {
                name: Bytes::from_static(b"SUBSCRIBE"),
                fields: Bytes::from_static(b"topic"),
            }))
        );
    }
}
