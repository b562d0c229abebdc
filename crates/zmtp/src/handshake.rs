//! From the first byte to the moment when messages may flow.

use bytes::{Buf, Bytes, BytesMut};

use crate::command::{Command, CommandError};
use crate::frame::{FrameHeader, HeaderError};
use crate::greeting::{GREETING_LEN, Greeting, GreetingError, MechanismName, Version};
use crate::limits::Limits;
use crate::mechanism::{Exchange, Mechanism};
use crate::metadata::Metadata;
use crate::socket_type::SocketType;

/// Longest identity. RFC 23: "identity = 0*255OCTET".
const IDENTITY_MAX: usize = 255;

/// What this side says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Inbox: [`SocketType::Router`]. Mailbox: [`SocketType::Dealer`].
    pub socket_type: SocketType,
    /// 0 to 255 bytes; longer ones are the peer's reason to refuse us.
    pub identity: Bytes,
    /// The mechanism this side insists on.
    pub mechanism: Mechanism,
}

/// What the other side said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its highest version; 3.0 peers know no PING.
    pub version: Version,
    /// Its socket type, one that may talk to ours.
    pub socket_type: SocketType,
    /// Its identity, 0 to 255 bytes; empty when it gave none.
    pub identity: Bytes,
    /// Everything in its READY.
    pub metadata: Metadata,
}

/// Why a handshake failed. The connection is of no use afterwards.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not ZMTP, or too old.
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    /// Both sides must use the same mechanism.
    #[error("the peer insists on mechanism {theirs}, this side on {ours}: configure both alike")]
    Mechanism {
        /// What the peer's greeting named.
        theirs: MechanismName,
        /// What ours named.
        ours: MechanismName,
    },
    /// A frame header that ZMTP excludes.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A message before the handshake was over.
    #[error("the peer sent a message before the handshake was over")]
    EarlyMessage,
    /// A command larger than [`Limits::command_bytes`].
    #[error("the peer announced a handshake command of {announced} bytes; {limit} are allowed")]
    TooLarge {
        /// What it announced.
        announced: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A malformed command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A command that has no place in this mechanism's handshake.
    #[error("the peer sent {0} during the handshake")]
    Unexpected(&'static str),
    /// The peer sent ERROR.
    #[error("the peer refused this side: {reason}")]
    Refused {
        /// Its words, escaped.
        reason: String,
    },
    /// No socket type, or one that can't talk to ours.
    #[error("the peer's socket type {theirs} can't talk to {ours}")]
    SocketType {
        /// What it announced, escaped; empty when it announced none.
        theirs: String,
        /// Ours.
        ours: &'static str,
    },
    /// An identity over 255 bytes.
    #[error("the peer's identity has {0} bytes; 255 are allowed")]
    IdentityLength(usize),
    /// RFC 28: identities that begin with a zero byte are the router's own.
    #[error("the peer's identity begins with a zero byte, which is reserved")]
    IdentityReserved,
}

impl HandshakeError {
    /// Whether the peer is known to understand an ERROR command: it has sent a
    /// valid greeting, and hasn't itself refused us.
    pub fn can_be_told(&self) -> bool {
        !matches!(
            self,
            HandshakeError::Greeting(_)
                | HandshakeError::Mechanism { .. }
                | HandshakeError::Refused { .. }
        )
    }
}

#[derive(Debug)]
enum State {
    Greeting,
    Exchange {
        exchange: Exchange,
        theirs: Greeting,
    },
    Over,
}

/// One side of a handshake.
///
/// Send what [`Handshake::start`] writes, then feed received bytes to
/// [`Handshake::advance`] and send what it writes, until it returns a [`Peer`]
/// (what it wrote then is still to be sent) or an error. Bytes behind the handshake stay in the input: they are the
/// first of [`crate::Decoder`]'s.
#[derive(Debug)]
pub struct Handshake {
    local: Local,
    limits: Limits,
    state: State,
}

impl Handshake {
    /// A handshake of which nothing has been said yet.
    pub fn new(local: Local, limits: Limits) -> Handshake {
        Handshake {
            local,
            limits,
            state: State::Greeting,
        }
    }

    /// Writes our greeting. Call once, first.
    pub fn start(&self, out: &mut BytesMut) {
        let greeting = Greeting {
            version: Version::OURS,
            mechanism: self.local.mechanism.name(),
            as_server: false,
        };
        out.extend_from_slice(&greeting.encode());
    }

    /// Takes what it can from `input`, appends what is to be sent to `out`.
    ///
    /// `Ok(None)` asks for more input; `Ok(Some(peer))` comes once, after which
    /// nothing more is taken from `input`.
    ///
    /// # Errors
    ///
    /// The first thing that the peer did wrong; `out` then holds nothing that
    /// should still be sent.
    pub fn advance(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Peer>, HandshakeError> {
        loop {
            match &mut self.state {
                State::Greeting => {
                    let Some(theirs) = Greeting::parse(input)? else {
                        return Ok(None);
                    };
                    input.advance(GREETING_LEN);
                    let ours = self.local.mechanism.name();
                    if theirs.mechanism != ours {
                        return Err(HandshakeError::Mechanism {
                            theirs: theirs.mechanism,
                            ours,
                        });
                    }
                    let exchange = Exchange::start(&self.local.mechanism, &self.local, out);
                    self.state = State::Exchange { exchange, theirs };
                }
                State::Exchange { exchange, theirs } => {
                    let Some(command) = take_command(input, self.limits.command_bytes)? else {
                        return Ok(None);
                    };
                    let Some(metadata) = exchange.handle(command, out)? else {
                        continue;
                    };
                    let peer = peer_of(theirs.version, metadata, self.local.socket_type)?;
                    self.state = State::Over;
                    return Ok(Some(peer));
                }
                State::Over => return Ok(None),
            }
        }
    }
}

fn take_command(input: &mut BytesMut, limit: usize) -> Result<Option<Command>, HandshakeError> {
    let Some((header, taken)) = FrameHeader::parse(input)? else {
        return Ok(None);
    };
    if !header.command {
        return Err(HandshakeError::EarlyMessage);
    }
    let len = usize::try_from(header.len)
        .ok()
        .filter(|&len| len <= limit)
        .ok_or(HandshakeError::TooLarge {
            announced: header.len,
            limit,
        })?;
    let end = taken.saturating_add(len);
    let Some(body) = input.get(taken..end) else {
        return Ok(None);
    };
    // Copied: metadata outlives the read buffer and must not pin it.
    let body = Bytes::copy_from_slice(body);
    input.advance(end);
    Ok(Some(Command::parse(body)?))
}

fn peer_of(version: Version, metadata: Metadata, ours: SocketType) -> Result<Peer, HandshakeError> {
    let name = metadata.get("Socket-Type").unwrap_or_default();
    let socket_type = SocketType::from_name(name)
        .filter(|t| ours.may_talk_to(*t))
        .ok_or_else(|| HandshakeError::SocketType {
            theirs: name.escape_ascii().take(64).map(char::from).collect(),
            ours: ours.name(),
        })?;
    let identity = Bytes::copy_from_slice(metadata.get("Identity").unwrap_or_default());
    if identity.len() > IDENTITY_MAX {
        return Err(HandshakeError::IdentityLength(identity.len()));
    }
    if identity.first() == Some(&0) {
        return Err(HandshakeError::IdentityReserved);
    }
    Ok(Peer {
        version,
        socket_type,
        identity,
        metadata,
    })
}
