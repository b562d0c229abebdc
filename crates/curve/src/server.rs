//! The server: WELCOME, then READY, then traffic.
//!
//! Between HELLO and INITIATE it keeps only the key of its cookie: what it has to know
//! later, its short-term key above all, is in the cookie, which the client returns.
//! The key is of this connection alone, so that a recorded INITIATE is of no use on
//! another one.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;
use zre_zmtp::{
    Agreed, HandshakeError, HandshakeState, Local, Metadata, RawCommand, encode_command,
};

use crate::cipher::{BoxKey, Nonce, Pair, random};
use crate::client::{HELLO, INITIATE};
use crate::mechanism::refused;
use crate::traffic::{CLIENT, Direction, SERVER};
use crate::{Admission, Keys, PublicKey};

pub(crate) const WELCOME: &[u8; 8] = b"WELCOME-";
pub(crate) const COOKIE: &[u8; 8] = b"COOKIE--";
pub(crate) const VOUCH: &[u8; 8] = b"VOUCH---";
pub(crate) const READY: &[u8; 16] = b"CurveZMQREADY---";

/// The number of our first box.
const READY_NUMBER: u64 = 1;

#[derive(Debug)]
pub(crate) struct Server {
    keys: Keys,
    admission: Arc<dyn Admission>,
    state: State,
}

#[derive(Debug)]
enum State {
    Hello,
    /// WELCOME is out.
    Initiate {
        cookie: BoxKey,
    },
    Over,
}

impl Server {
    pub(crate) fn new(keys: Keys, admission: Arc<dyn Admission>) -> Server {
        Server {
            keys,
            admission,
            state: State::Hello,
        }
    }

    /// Answers HELLO with WELCOME.
    fn hello(&mut self, fields: &[u8], out: &mut BytesMut) -> Result<(), HandshakeError> {
        let hello = Hello::parse(fields)?;
        let key = self
            .keys
            .pair()
            .agree(&hello.client)
            .ok_or_else(|| refused("the peer's short-term key is none"))?;
        let opened = key
            .opened(&Nonce::counted(HELLO, hello.number), hello.sealed)
            .ok_or_else(|| {
                refused("the peer's HELLO can't be opened: it dialled another public key than ours")
            })?;
        if opened[..] != [0; 64] {
            return Err(refused("the peer's HELLO has something in it"));
        }

        let short = Pair::random()?;
        let cookie_key = BoxKey::random()?;
        let cookie_nonce = random::<16>()?;
        let cookie = cookie_key.sealed(
            &Nonce::long(COOKIE, &cookie_nonce),
            &[hello.client.as_bytes(), &short.secret()[..]],
        );
        let nonce = random::<16>()?;
        let sealed = key.sealed(
            &Nonce::long(WELCOME, &nonce),
            &[short.public().as_bytes(), &cookie_nonce, &cookie],
        );
        encode_command(b"WELCOME", &[&nonce, &sealed], out);
        self.state = State::Initiate { cookie: cookie_key };
        Ok(())
    }

    /// Answers INITIATE with READY.
    fn initiate(
        &self,
        local: &Local,
        cookie: &BoxKey,
        fields: &[u8],
        out: &mut BytesMut,
    ) -> Result<Agreed, HandshakeError> {
        let initiate = Initiate::parse(fields)?;
        let (client_short, short) = open_cookie(cookie, &initiate)
            .ok_or_else(|| refused("the peer's INITIATE has a cookie that isn't ours"))?;
        let key = short
            .agree(&client_short)
            .ok_or_else(|| refused("the peer's short-term key is none"))?;
        let opened = key
            .opened(&Nonce::counted(INITIATE, initiate.number), initiate.sealed)
            .ok_or_else(|| refused("the peer's INITIATE can't be opened"))?;
        let (client, rest) = opened
            .split_first_chunk::<32>()
            .ok_or_else(|| refused("the peer's INITIATE is too short"))?;
        let client = PublicKey::from(*client);
        let (vouch_nonce, rest) = rest
            .split_first_chunk::<16>()
            .ok_or_else(|| refused("the peer's INITIATE is too short"))?;
        let (vouch, metadata) = rest
            .split_first_chunk::<80>()
            .ok_or_else(|| refused("the peer's INITIATE is too short"))?;

        let vouched = short
            .agree(&client)
            .and_then(|key| key.opened(&Nonce::long(VOUCH, vouch_nonce), vouch))
            .ok_or_else(|| refused("the peer hasn't proved that it holds its key"))?;
        let expected = [&client_short.as_bytes()[..], self.keys.public().as_bytes()].concat();
        if !bool::from(vouched.ct_eq(&expected)) {
            return Err(refused("the peer's proof is meant for another connection"));
        }
        if !self.admission.admits(&client) {
            return Err(HandshakeError::Denied);
        }

        let sealed = key.sealed(&Nonce::counted(READY, READY_NUMBER), &[&local.metadata()]);
        encode_command(b"READY", &[&READY_NUMBER.to_be_bytes(), &sealed], out);
        let ours = Direction::new(key.clone(), SERVER, READY_NUMBER);
        let theirs = Direction::new(key, CLIENT, initiate.number);
        agreed(metadata, client, ours, theirs)
    }
}

impl HandshakeState for Server {
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
            (State::Hello, b"HELLO") => {
                self.hello(fields, out)?;
                Ok(None)
            }
            (State::Initiate { cookie }, b"INITIATE") => {
                self.initiate(local, &cookie, fields, out).map(Some)
            }
            _ => Err(HandshakeError::Unexpected("a command out of its order")),
        }
    }
}

/// HELLO, whose fields are version, padding, key, number, box.
struct Hello<'a> {
    client: PublicKey,
    number: u64,
    sealed: &'a [u8; 80],
}

impl<'a> Hello<'a> {
    fn parse(fields: &'a [u8]) -> Result<Hello<'a>, HandshakeError> {
        let length = || refused("the peer's HELLO hasn't the right length");
        let (version, rest) = fields.split_first_chunk::<2>().ok_or_else(length)?;
        let (_padding, rest) = rest.split_first_chunk::<72>().ok_or_else(length)?;
        let (client, rest) = rest.split_first_chunk::<32>().ok_or_else(length)?;
        let (number, rest) = rest.split_first_chunk::<8>().ok_or_else(length)?;
        let sealed = rest.try_into().map_err(|_| length())?;
        if *version != [1, 0] {
            return Err(refused("the peer's CURVE isn't version 1.0"));
        }
        Ok(Hello {
            client: PublicKey::from(*client),
            number: u64::from_be_bytes(*number),
            sealed,
        })
    }
}

/// INITIATE, whose fields are cookie, number, box.
struct Initiate<'a> {
    cookie_nonce: &'a [u8; 16],
    cookie: &'a [u8; 80],
    number: u64,
    sealed: &'a [u8],
}

impl<'a> Initiate<'a> {
    fn parse(fields: &'a [u8]) -> Result<Initiate<'a>, HandshakeError> {
        let short = || refused("the peer's INITIATE is too short");
        let (cookie_nonce, rest) = fields.split_first_chunk::<16>().ok_or_else(short)?;
        let (cookie, rest) = rest.split_first_chunk::<80>().ok_or_else(short)?;
        let (number, sealed) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        Ok(Initiate {
            cookie_nonce,
            cookie,
            number: u64::from_be_bytes(*number),
            sealed,
        })
    }
}

/// The client's short-term key, and our pair.
fn open_cookie(key: &BoxKey, initiate: &Initiate<'_>) -> Option<(PublicKey, Pair)> {
    let nonce = Nonce::long(COOKIE, initiate.cookie_nonce);
    let opened = key.opened(&nonce, initiate.cookie)?;
    let (client, secret) = opened.split_first_chunk::<32>()?;
    let secret: Zeroizing<[u8; 32]> = Zeroizing::new(secret.try_into().ok()?);
    Some((PublicKey::from(*client), Pair::new(*secret)))
}

/// The end of a handshake, on either side.
pub(crate) fn agreed(
    metadata: &[u8],
    peer: PublicKey,
    ours: Direction,
    theirs: Direction,
) -> Result<Agreed, HandshakeError> {
    let metadata = Metadata::parse(Bytes::copy_from_slice(metadata))
        .map_err(|error| refused(&format!("the peer sent bad {error}")))?;
    Ok(Agreed {
        metadata,
        key: Some(peer.into()),
        sealer: Some(Box::new(ours)),
        opener: Some(Box::new(theirs)),
    })
}

#[cfg(test)]
mod tests {
    use zre_zmtp::{FrameHeader, Greeting, MechanismName, SocketType, Version};

    use super::*;
    use crate::{Anyone, Curve};

    /// What a client puts into its vouch.
    struct Vouch<'a> {
        /// Who seals it.
        sealed_by: &'a Pair,
        /// The short-term key that it names; `None` is the right one.
        short: Option<PublicKey>,
        /// The server that it names.
        server: PublicKey,
    }

    fn local() -> Local {
        let keys = Keys::from_secret([1; 32]);
        let curve = Curve::new(keys, Arc::new(Anyone));
        Local::new(SocketType::Router, Bytes::new(), Arc::new(curve))
    }

    fn command(bytes: &[u8]) -> RawCommand {
        let (_, taken) = FrameHeader::parse(bytes).unwrap().unwrap();
        RawCommand::parse(Bytes::copy_from_slice(&bytes[taken..])).unwrap()
    }

    /// What a server says to a client that claims to hold `claimed`.
    fn answer(claimed: &PublicKey, vouch: &Vouch<'_>) -> Result<Option<Agreed>, HandshakeError> {
        let local = local();
        let server_key = Keys::from_secret([1; 32]).public();
        let greeting = Greeting {
            version: Version::OURS,
            mechanism: MechanismName::CURVE,
            as_server: false,
        };
        let mut out = BytesMut::new();
        let mut server = local.mechanism.begin(&local, &greeting, &mut out)?;

        let short = Pair::random()?;
        let key = short.agree(&server_key).unwrap();
        let hello = [
            &[1, 0][..],
            &[0; 72],
            short.public().as_bytes(),
            &1u64.to_be_bytes(),
            &key.sealed(&Nonce::counted(HELLO, 1), &[&[0; 64]]),
        ];
        let mut bytes = BytesMut::new();
        encode_command(b"HELLO", &hello, &mut bytes);
        assert!(server.handle(&local, command(&bytes), &mut out)?.is_none());

        let welcome = command(&out).fields;
        let nonce = Nonce::long(WELCOME, welcome.first_chunk().unwrap());
        let opened = key.opened(&nonce, &welcome[16..]).unwrap();
        let server_short = PublicKey::from(*opened.first_chunk::<32>().unwrap());
        let sealed_vouch = vouch.sealed_by.agree(&server_short).unwrap().sealed(
            &Nonce::long(VOUCH, &[5; 16]),
            &[
                vouch.short.unwrap_or(*short.public()).as_bytes(),
                vouch.server.as_bytes(),
            ],
        );
        let sealed = short.agree(&server_short).unwrap().sealed(
            &Nonce::counted(INITIATE, 2),
            &[claimed.as_bytes(), &[5; 16], &sealed_vouch],
        );
        let mut bytes = BytesMut::new();
        let fields = [&opened[32..], &2u64.to_be_bytes(), &sealed];
        encode_command(b"INITIATE", &fields, &mut bytes);
        server.handle(&local, command(&bytes), &mut out)
    }

    #[test]
    fn a_key_is_believed_only_if_its_holder_vouches_for_this_connection_to_us() {
        let us = Keys::from_secret([1; 32]).public();
        let (client, other) = (Pair::new([2; 32]), Pair::new([3; 32]));
        let vouch = |sealed_by, short, server| Vouch {
            sealed_by,
            short,
            server,
        };
        let said = |vouch: &Vouch<'_>| answer(client.public(), vouch);
        let agreed = said(&vouch(&client, None, us)).unwrap().unwrap();
        assert_eq!(agreed.key, Some((*client.public()).into()));

        let error = |vouch: &Vouch<'_>| said(vouch).unwrap_err().to_string();
        // Somebody else's key, which is public.
        assert!(error(&vouch(&other, None, us)).contains("proved"));
        // What the holder has sent to another server, or on another connection.
        assert!(error(&vouch(&client, None, *other.public())).contains("another connection"));
        assert!(error(&vouch(&client, Some(*other.public()), us)).contains("another connection"));
        // A key whose secret everybody has.
        let nobody = PublicKey::from([0; 32]);
        let answered = answer(&nobody, &vouch(&client, None, us));
        assert!(answered.unwrap_err().to_string().contains("proved"));
    }
}
