//! The client: HELLO, then INITIATE, then traffic.

use bytes::BytesMut;
use zre_zmtp::{Agreed, HandshakeError, HandshakeState, Local, RawCommand, encode_command};

use crate::cipher::{BoxKey, Nonce, Pair, random};
use crate::mechanism::refused;
use crate::server::{READY, VOUCH, WELCOME, agreed};
use crate::traffic::{CLIENT, Direction, SERVER};
use crate::{Keys, PublicKey};

/// The first part of the nonce of HELLO.
pub(crate) const HELLO: &[u8; 16] = b"CurveZMQHELLO---";
/// The first part of the nonce of INITIATE.
pub(crate) const INITIATE: &[u8; 16] = b"CurveZMQINITIATE";

/// The numbers of our boxes: HELLO, INITIATE; the traffic goes on from there.
const HELLO_NUMBER: u64 = 1;
const INITIATE_NUMBER: u64 = 2;

#[derive(Debug)]
pub(crate) struct Client {
    keys: Keys,
    server: PublicKey,
    state: State,
}

#[derive(Debug)]
enum State {
    /// HELLO is out. The key is that of our short-term pair and the server's
    /// long-term one.
    Welcome {
        short: Pair,
        key: BoxKey,
    },
    /// INITIATE is out. The key is that of the two short-term pairs.
    Ready {
        key: BoxKey,
    },
    Over,
}

impl Client {
    /// Writes HELLO.
    pub(crate) fn begin(
        keys: Keys,
        server: PublicKey,
        out: &mut BytesMut,
    ) -> Result<Client, HandshakeError> {
        let short = Pair::random()?;
        let key = short
            .agree(&server)
            .ok_or_else(|| refused("the public key that was configured for the peer is none"))?;
        let sealed = key.sealed(&Nonce::counted(HELLO, HELLO_NUMBER), &[&[0; 64]]);
        // As long as the answer, so that nobody uses the server to amplify.
        let version_and_padding: [u8; 2 + 72] = std::array::from_fn(|at| u8::from(at == 0));
        encode_command(
            b"HELLO",
            &[
                &version_and_padding,
                short.public().as_bytes(),
                &HELLO_NUMBER.to_be_bytes(),
                &sealed,
            ],
            out,
        );
        Ok(Client {
            keys,
            server,
            state: State::Welcome { short, key },
        })
    }

    /// Answers WELCOME with INITIATE.
    fn welcome(
        &mut self,
        local: &Local,
        short: &Pair,
        key: &BoxKey,
        fields: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), HandshakeError> {
        const CANT: &str =
            "the peer's WELCOME can't be opened: it doesn't hold the key that we dialled";
        let (nonce, sealed) = fields
            .split_first_chunk::<16>()
            .filter(|(_, sealed)| sealed.len() == 144)
            .ok_or_else(|| refused("the peer's WELCOME hasn't the right length"))?;
        let opened = key
            .opened(&Nonce::long(WELCOME, nonce), sealed)
            .ok_or_else(|| refused(CANT))?;
        let (server_short, cookie) = opened
            .split_first_chunk::<32>()
            .ok_or_else(|| refused(CANT))?;
        let server_short = PublicKey::from(*server_short);
        let degenerate = || refused("the peer's short-term key is none");
        let traffic = short.agree(&server_short).ok_or_else(degenerate)?;
        let vouching = self
            .keys
            .pair()
            .agree(&server_short)
            .ok_or_else(degenerate)?;

        let vouch_nonce = random::<16>()?;
        let vouch = vouching.sealed(
            &Nonce::long(VOUCH, &vouch_nonce),
            &[short.public().as_bytes(), self.server.as_bytes()],
        );
        let sealed = traffic.sealed(
            &Nonce::counted(INITIATE, INITIATE_NUMBER),
            &[
                self.keys.public().as_bytes(),
                &vouch_nonce,
                &vouch,
                &local.metadata(),
            ],
        );
        let number = INITIATE_NUMBER.to_be_bytes();
        encode_command(b"INITIATE", &[cookie, &number, &sealed], out);
        self.state = State::Ready { key: traffic };
        Ok(())
    }

    /// Takes READY.
    fn ready(&self, key: BoxKey, fields: &[u8]) -> Result<Agreed, HandshakeError> {
        let (number, sealed) = fields
            .split_first_chunk::<8>()
            .ok_or_else(|| refused("the peer's READY is too short"))?;
        let number = u64::from_be_bytes(*number);
        let metadata = key
            .opened(&Nonce::counted(READY, number), sealed)
            .ok_or_else(|| refused("the peer's READY can't be opened"))?;
        let ours = Direction::new(key.clone(), CLIENT, INITIATE_NUMBER);
        let theirs = Direction::new(key, SERVER, number);
        agreed(&metadata, self.server, ours, theirs)
    }
}

impl HandshakeState for Client {
    fn handle(
        &mut self,
        local: &Local,
        command: RawCommand,
        out: &mut BytesMut,
    ) -> Result<Option<Agreed>, HandshakeError> {
        let fields = &command.fields;
        match (
            std::mem::replace(&mut self.state, State::Over),
            &command.name[..],
        ) {
            (State::Welcome { short, key }, b"WELCOME") => {
                self.welcome(local, &short, &key, fields, out)?;
                Ok(None)
            }
            (State::Ready { key }, b"READY") => self.ready(key, fields).map(Some),
            _ => Err(HandshakeError::Unexpected("a command out of its order")),
        }
    }
}
