//! The handshake: from the first byte until messages may flow.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use crate::command::{Command, CommandError, RawCommand};
use crate::frame::{FrameHeader, HeaderError};
use crate::greeting::{GREETING_LEN, Greeting, GreetingError, MechanismName, VERSION_END, Version};
use crate::limits::FrameLimits;
use crate::mechanism::{Agreed, HandshakeState, Mechanism};
use crate::metadata::Metadata;
use crate::seal::{Opener, Sealer};
use crate::socket_type::SocketType;

/// Longest identity. RFC 23: "identity = 0*255OCTET".
const IDENTITY_MAX: usize = 255;

/// What this side says about itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Local {
    /// Inbox: [`SocketType::Router`]. Mailbox: [`SocketType::Dealer`].
    pub socket_type: SocketType,
    /// 0 to 255 bytes; peers refuse a longer one.
    pub identity: Bytes,
    /// The mechanism this side insists on.
    pub mechanism: Arc<dyn Mechanism>,
}

impl Local {
    /// A side of this socket type and identity that insists on this mechanism.
    pub fn new(socket_type: SocketType, identity: Bytes, mechanism: Arc<dyn Mechanism>) -> Local {
        Local {
            socket_type,
            identity,
            mechanism,
        }
    }

    /// What this side says about itself, as a READY or INITIATE command carries
    /// it.
    pub fn metadata(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        Metadata::encode("Socket-Type", self.socket_type.name().as_bytes(), &mut out);
        Metadata::encode("Identity", &self.identity, &mut out);
        out
    }
}

/// What the other side said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its highest version; 3.0 peers know no PING.
    pub version: Version,
    /// Its socket type, which may talk to ours.
    pub socket_type: SocketType,
    /// Its identity, 0 to 255 bytes; empty if it sent none.
    pub identity: Bytes,
    /// Everything in its READY or INITIATE.
    pub metadata: Metadata,
    /// The long-term public key that it has proved to hold; `None` with
    /// [`Null`](crate::Null).
    pub key: Option<[u8; 32]>,
}

/// The outcome of a handshake.
#[derive(Debug)]
#[non_exhaustive]
pub struct Established {
    /// The other side.
    pub peer: Peer,
    /// Seals what we send; for the [`Encoder`](crate::Encoder) of the connection.
    /// `None` with [`Null`](crate::Null).
    pub sealer: Option<Box<dyn Sealer>>,
    /// Opens what the peer sends; for the [`Decoder`](crate::Decoder) of the
    /// connection. `None` with [`Null`](crate::Null).
    pub opener: Option<Box<dyn Opener>>,
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
    /// A command larger than [`FrameLimits::command_bytes`].
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
    /// A command that this mechanism's handshake doesn't have.
    #[error("the peer sent {0} during the handshake")]
    Unexpected(&'static str),
    /// The mechanism refuses the peer, or can't read what it sent.
    #[error("the mechanism refused the peer: {0}")]
    Security(String),
    /// The peer has proved which key it holds, and it isn't one that is let in.
    #[error("the peer's key isn't one that is let in here")]
    Denied,
    /// The peer sent ERROR.
    #[error("the peer refused this side: {reason}")]
    Refused {
        /// Its words, escaped.
        reason: String,
    },
    /// No socket type, or one that can't talk to ours.
    #[error("the peer's socket type {theirs} can't talk to {ours}")]
    SocketType {
        /// The announced type, escaped; empty if there is none.
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
    /// Whether an ERROR command makes sense to the peer: it has sent a valid
    /// greeting, and hasn't refused us itself.
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
    Commands {
        state: Box<dyn HandshakeState>,
        version: Version,
    },
    Over,
}

/// One side of a handshake.
///
/// Send what [`Handshake::start`] writes, then feed received bytes to
/// [`Handshake::advance`] and send what it writes, until it returns an
/// [`Established`] (what it wrote then is still to be sent) or an error. Bytes
/// behind the handshake stay in the input: they are the first of
/// [`crate::Decoder`]'s.
#[derive(Debug)]
pub struct Handshake {
    local: Local,
    limits: FrameLimits,
    state: State,
}

impl Handshake {
    /// A handshake that hasn't begun.
    pub fn new(local: Local, limits: FrameLimits) -> Handshake {
        Handshake {
            local,
            limits,
            state: State::Greeting,
        }
    }

    /// Writes our greeting, or the part of it that doesn't depend on the peer's
    /// mechanism if this side has an [alternative](Mechanism::alternative). Call once,
    /// first.
    pub fn start(&self, out: &mut BytesMut) {
        let (version, rest) = self.greeting();
        out.extend_from_slice(&version);
        if self.alternative().is_none() {
            out.extend_from_slice(&rest);
        }
    }

    /// Our greeting with the mechanism of this side: its version, and the rest.
    fn greeting(&self) -> ([u8; VERSION_END], [u8; GREETING_LEN - VERSION_END]) {
        let greeting = Greeting {
            version: Version::OURS,
            mechanism: self.local.mechanism.name(),
            as_server: self.local.mechanism.as_server(self.local.socket_type),
        };
        let (mut version, mut rest) = ([0; VERSION_END], [0; GREETING_LEN - VERSION_END]);
        for (to, byte) in version.iter_mut().chain(&mut rest).zip(greeting.encode()) {
            *to = byte;
        }
        (version, rest)
    }

    fn alternative(&self) -> Option<&Arc<dyn Mechanism>> {
        self.local.mechanism.alternative(self.local.socket_type)
    }

    /// Takes the alternative if that is what the peer insists on, and writes what our
    /// greeting still lacks.
    fn choose(&mut self, theirs: &Greeting, out: &mut BytesMut) {
        let Some(alternative) = self.alternative() else {
            return;
        };
        if alternative.name() == theirs.mechanism {
            self.local.mechanism = Arc::clone(alternative);
        }
        let (_, rest) = self.greeting();
        out.extend_from_slice(&rest);
    }

    /// Takes as much as it can from `input`, and appends the bytes to send to `out`.
    ///
    /// `Ok(None)` asks for more input; `Ok(Some(..))` comes once, after which
    /// nothing more is taken from `input`.
    ///
    /// # Errors
    ///
    /// The peer's first fault; nothing in `out` should be sent then.
    pub fn advance(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Established>, HandshakeError> {
        loop {
            match &mut self.state {
                State::Greeting => {
                    let Some(theirs) = Greeting::parse(input)? else {
                        return Ok(None);
                    };
                    input.advance(GREETING_LEN);
                    self.choose(&theirs, out);
                    let ours = self.local.mechanism.name();
                    if theirs.mechanism != ours {
                        return Err(HandshakeError::Mechanism {
                            theirs: theirs.mechanism,
                            ours,
                        });
                    }
                    let state = self.local.mechanism.begin(&self.local, &theirs, out)?;
                    let version = theirs.version;
                    self.state = State::Commands { state, version };
                }
                State::Commands { state, version } => {
                    let Some(command) = take_command(input, self.limits.command_bytes)? else {
                        return Ok(None);
                    };
                    let Some(agreed) = state.handle(&self.local, command, out)? else {
                        continue;
                    };
                    let Agreed {
                        metadata,
                        key,
                        sealer,
                        opener,
                    } = agreed;
                    // Messages that were queued before rely on it.
                    let seals = self.local.mechanism.seals();
                    if (sealer.is_some(), opener.is_some()) != (seals, seals) {
                        let why = "the mechanism seals, or not, other than it says";
                        return Err(HandshakeError::Security(why.to_owned()));
                    }
                    let peer = peer_of(*version, metadata, key, self.local.socket_type)?;
                    self.state = State::Over;
                    return Ok(Some(Established {
                        peer,
                        sealer,
                        opener,
                    }));
                }
                State::Over => return Ok(None),
            }
        }
    }
}

/// The next command, unless it is an ERROR.
fn take_command(input: &mut BytesMut, limit: usize) -> Result<Option<RawCommand>, HandshakeError> {
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
    let command = RawCommand::parse(body)?;
    if &command.name[..] == b"ERROR"
        && let Command::Error { reason } = Command::try_from(command.clone())?
    {
        return Err(HandshakeError::Refused {
            reason: reason.escape_ascii().to_string(),
        });
    }
    Ok(Some(command))
}

fn peer_of(
    version: Version,
    metadata: Metadata,
    key: Option<[u8; 32]>,
    ours: SocketType,
) -> Result<Peer, HandshakeError> {
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
        key,
    })
}
