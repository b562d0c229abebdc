//! The mechanism, as one side is configured with it.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use zre_zmtp::{
    Greeting, HandshakeError, HandshakeState, Local, Mechanism, MechanismName, SocketType,
};

use crate::client::Client;
use crate::server::Server;
use crate::{Keys, PublicKey};

/// Decides which clients are let in.
pub trait Admission: fmt::Debug + Send + Sync {
    /// Whether the holder of this key may connect. It has proved that it holds it.
    ///
    /// It is called while a handshake waits: it must not block.
    fn admits(&self, key: &PublicKey) -> bool;
}

/// Lets in whoever holds a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Anyone;

impl Admission for Anyone {
    fn admits(&self, _: &PublicKey) -> bool {
        true
    }
}

/// CURVE (RFC 26) with our long-term keys: the server at a ROUTER, the client at
/// every other socket.
#[derive(Debug, Clone)]
pub struct Curve {
    keys: Keys,
    admission: Arc<dyn Admission>,
    server: Option<PublicKey>,
}

impl Curve {
    /// The server's side, or the client's side of a connection to a server whose key
    /// isn't known: such a handshake fails before anything is sent but the greeting.
    pub fn new(keys: Keys, admission: Arc<dyn Admission>) -> Curve {
        Curve {
            keys,
            admission,
            server: None,
        }
    }

    /// The same for connections to the server that holds this key. One that doesn't
    /// is never told anything.
    #[must_use]
    pub fn to(&self, server: PublicKey) -> Curve {
        Curve {
            server: Some(server),
            ..self.clone()
        }
    }

    /// Our public key.
    pub fn public(&self) -> PublicKey {
        self.keys.public()
    }
}

impl Mechanism for Curve {
    fn name(&self) -> MechanismName {
        MechanismName::CURVE
    }

    fn as_server(&self, socket_type: SocketType) -> bool {
        socket_type == SocketType::Router
    }

    fn seals(&self) -> bool {
        true
    }

    fn key(&self) -> Option<[u8; 32]> {
        Some(self.keys.public().into())
    }

    fn begin(
        &self,
        local: &Local,
        theirs: &Greeting,
        out: &mut BytesMut,
    ) -> Result<Box<dyn HandshakeState>, HandshakeError> {
        if self.as_server(local.socket_type) {
            // The contrary shows nothing: libzmq's servers don't say that they are.
            if theirs.as_server {
                return Err(refused("both sides are CURVE servers"));
            }
            let server = Server::new(self.keys.clone(), Arc::clone(&self.admission));
            return Ok(Box::new(server));
        }
        let server = self
            .server
            .ok_or_else(|| refused("the peer's public key isn't known here, or isn't trusted"))?;
        let client = Client::begin(self.keys.clone(), server, out)?;
        Ok(Box::new(client))
    }
}

pub(crate) fn refused(why: &str) -> HandshakeError {
    HandshakeError::Security(why.to_owned())
}
