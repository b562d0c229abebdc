//! The security mechanism of a connection.
//!
//! A mechanism does two things: it exchanges commands after the greeting until
//! both sides are satisfied, and it may wrap the traffic afterwards. NULL, the
//! only one here, exchanges one READY each way and wraps nothing. A mechanism
//! that encrypts adds a variant to [`Mechanism`] and to the private state in
//! this module, and carries its traffic in commands: [`crate::Decoder`] yields
//! each as [`crate::Item::Command`], what the mechanism has opened goes back
//! in by [`crate::Decoder::push_part`], which applies the same limits as to a
//! plain frame, and [`crate::Encoder::push_command`] sends what it has sealed.

use bytes::BytesMut;

use crate::command::{Command, encode_ready};
use crate::greeting::MechanismName;
use crate::handshake::{HandshakeError, Local};
use crate::metadata::Metadata;

/// Which mechanism a side insists on; both must name the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mechanism {
    /// No authentication and no encryption.
    #[default]
    Null,
}

impl Mechanism {
    /// Its name in the greeting.
    pub fn name(&self) -> MechanismName {
        match self {
            Mechanism::Null => MechanismName::NULL,
        }
    }
}

/// A mechanism under way, from the end of the greetings on.
#[derive(Debug)]
pub(crate) enum Exchange {
    Null,
}

impl Exchange {
    /// Writes what is to be said first.
    pub(crate) fn start(mechanism: &Mechanism, local: &Local, out: &mut BytesMut) -> Exchange {
        match mechanism {
            Mechanism::Null => {
                // RFC 23: "the peer … SHALL send a READY command".
                encode_ready(
                    &[
                        ("Socket-Type", local.socket_type.name().as_bytes()),
                        ("Identity", &local.identity),
                    ],
                    out,
                );
                Exchange::Null
            }
        }
    }

    /// Takes one command; the peer's metadata comes with the last one.
    pub(crate) fn handle(
        &mut self,
        command: Command,
        _out: &mut BytesMut,
    ) -> Result<Option<Metadata>, HandshakeError> {
        match self {
            Exchange::Null => match command {
                Command::Ready(metadata) => Ok(Some(metadata)),
                Command::Error { reason } => Err(HandshakeError::Refused {
                    reason: reason.escape_ascii().to_string(),
                }),
                Command::Ping { .. } => Err(HandshakeError::Unexpected("PING")),
                Command::Pong { .. } => Err(HandshakeError::Unexpected("PONG")),
                Command::Unknown { .. } => Err(HandshakeError::Unexpected("an unknown command")),
            },
        }
    }
}
