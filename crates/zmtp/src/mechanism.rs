//! The security mechanism of a connection.
//!
//! A [`Mechanism`] does two things: it exchanges commands after the greetings
//! until both sides are satisfied ([`HandshakeState`]), and it may hand out a
//! [`Sealer`] and an [`Opener`] for the traffic that follows. [`Null`], the only
//! one here, exchanges one READY each way and seals nothing.
//!
//! What is sealed travels in ordinary frames, not in COMMAND frames: libzmq
//! drops a sealed frame with the COMMAND flag without a word. [`crate::Encoder`]
//! and [`crate::Decoder`] see to that, whatever the mechanism: see
//! [the trait `Sealer`](Sealer).

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use crate::command::{Command, RawCommand, encode_command};
use crate::greeting::{Greeting, MechanismName};
use crate::handshake::{HandshakeError, Local};
use crate::metadata::Metadata;
use crate::seal::{Opener, Sealer};
use crate::socket_type::SocketType;

/// A security mechanism, as one side is configured with it. Both sides must use
/// the same.
pub trait Mechanism: fmt::Debug + Send + Sync {
    /// Its name in the greeting.
    fn name(&self) -> MechanismName;

    /// Whether a side of this socket type is the mechanism's server, as the
    /// greeting says it.
    fn as_server(&self, socket_type: SocketType) -> bool;

    /// Whether it seals traffic, in both directions. Messages that are queued
    /// before the handshake is over can be encoded at once only if it doesn't.
    fn seals(&self) -> bool;

    /// What this side uses instead with a peer whose greeting names that. A side with an
    /// alternative names its mechanism only when the peer has named its own; two such
    /// sides would wait for each other, therefore only inboxes have one.
    fn alternative(&self, socket_type: SocketType) -> Option<&Arc<dyn Mechanism>> {
        let _ = socket_type;
        None
    }

    /// The long-term public key that it proves to peers, if it has one.
    fn key(&self) -> Option<[u8; 32]> {
        None
    }

    /// Begins the exchange of commands, and writes what this side says first.
    ///
    /// # Errors
    ///
    /// The peer's greeting excludes an agreement.
    fn begin(
        &self,
        local: &Local,
        theirs: &Greeting,
        out: &mut BytesMut,
    ) -> Result<Box<dyn HandshakeState>, HandshakeError>;
}

/// A mechanism under way, from the end of the greetings on.
pub trait HandshakeState: fmt::Debug + Send {
    /// Takes one command of the peer and writes what answers it. An ERROR
    /// command never gets here: it has ended the handshake.
    ///
    /// `Ok(None)` waits for another command.
    ///
    /// # Errors
    ///
    /// Why the peer is refused. What was written is then not sent.
    fn handle(
        &mut self,
        local: &Local,
        command: RawCommand,
        out: &mut BytesMut,
    ) -> Result<Option<Agreed>, HandshakeError>;
}

/// What an exchange of commands came to.
#[derive(Debug)]
pub struct Agreed {
    /// What the peer said about itself.
    pub metadata: Metadata,
    /// The long-term public key that the peer has proved to hold, if the mechanism
    /// has such keys.
    pub key: Option<[u8; 32]>,
    /// Seals what we send from now on; `None` sends it as it is.
    pub sealer: Option<Box<dyn Sealer>>,
    /// Opens what the peer sends from now on; `None` takes it as it is.
    pub opener: Option<Box<dyn Opener>>,
}

/// The mechanism NULL: no authentication and no encryption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Null;

impl Mechanism for Null {
    fn name(&self) -> MechanismName {
        MechanismName::NULL
    }

    fn as_server(&self, _: SocketType) -> bool {
        false
    }

    fn seals(&self) -> bool {
        false
    }

    fn begin(
        &self,
        local: &Local,
        _: &Greeting,
        out: &mut BytesMut,
    ) -> Result<Box<dyn HandshakeState>, HandshakeError> {
        // RFC 23: "the peer … SHALL send a READY command".
        encode_command(b"READY", &[&local.metadata()], out);
        Ok(Box::new(NullState))
    }
}

/// One mechanism for our mailboxes, and the choice between it and another for whoever
/// connects to our inbox.
///
/// The choice is the client's, and nothing protects it: somebody in between can have a
/// client that would take either use the weaker one. Whoever uses this has to see by
/// [`Peer::key`](crate::Peer::key) what was chosen.
#[derive(Debug, Clone)]
pub struct Either {
    first: Arc<dyn Mechanism>,
    other: Arc<dyn Mechanism>,
}

impl Either {
    /// The first mechanism, and the other one for peers that name it.
    pub fn new(first: Arc<dyn Mechanism>, other: Arc<dyn Mechanism>) -> Either {
        Either { first, other }
    }
}

impl Mechanism for Either {
    fn name(&self) -> MechanismName {
        self.first.name()
    }

    fn as_server(&self, socket_type: SocketType) -> bool {
        self.first.as_server(socket_type)
    }

    fn seals(&self) -> bool {
        self.first.seals()
    }

    fn alternative(&self, socket_type: SocketType) -> Option<&Arc<dyn Mechanism>> {
        (socket_type == SocketType::Router).then_some(&self.other)
    }

    fn key(&self) -> Option<[u8; 32]> {
        self.first.key()
    }

    fn begin(
        &self,
        local: &Local,
        theirs: &Greeting,
        out: &mut BytesMut,
    ) -> Result<Box<dyn HandshakeState>, HandshakeError> {
        self.first.begin(local, theirs, out)
    }
}

#[derive(Debug)]
struct NullState;

impl HandshakeState for NullState {
    fn handle(
        &mut self,
        _: &Local,
        command: RawCommand,
        _: &mut BytesMut,
    ) -> Result<Option<Agreed>, HandshakeError> {
        match Command::try_from(command)? {
            Command::Ready(metadata) => Ok(Some(Agreed {
                metadata,
                key: None,
                sealer: None,
                opener: None,
            })),
            Command::Ping { .. } => Err(HandshakeError::Unexpected("PING")),
            Command::Pong { .. } => Err(HandshakeError::Unexpected("PONG")),
            _ => Err(HandshakeError::Unexpected("an unknown command")),
        }
    }
}
