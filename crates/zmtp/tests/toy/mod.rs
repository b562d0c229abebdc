//! TOY: a mechanism that protects nothing and has the shape of CURVE, to test the
//! code around such mechanisms. Client: HELLO, INITIATE with its metadata;
//! server: WELCOME, READY with its metadata; then each frame in a `MESSAGE` of
//! its own, flags and content xored, with a number that must rise by one and a
//! checksum.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a helper of tests, of which each uses a part"
)]

use bytes::{BufMut, Bytes, BytesMut};
use zre_zmtp::{
    Agreed, FrameFlags, Greeting, HandshakeError, HandshakeState, Local, Mechanism, MechanismName,
    Metadata, OpenError, Opened, Opener, RawCommand, Sealer, SocketType, encode_command,
};

const MESSAGE: &[u8] = b"\x07MESSAGE";

/// What sealing adds: the name, a number, a checksum, the flags.
pub const OVERHEAD: usize = 8 + 8 + 8 + 1;

/// The mechanism. Both sides must have the same secret.
#[derive(Clone, Copy, Debug)]
pub struct Toy {
    pub secret: u8,
}

impl Mechanism for Toy {
    fn name(&self) -> MechanismName {
        MechanismName::padded(b"TOY")
    }

    fn as_server(&self, socket_type: SocketType) -> bool {
        socket_type == SocketType::Router
    }

    fn seals(&self) -> bool {
        true
    }

    fn key(&self) -> Option<[u8; 32]> {
        Some([self.secret; 32])
    }

    fn begin(
        &self,
        local: &Local,
        theirs: &Greeting,
        out: &mut BytesMut,
    ) -> Result<Box<dyn HandshakeState>, HandshakeError> {
        let server = self.as_server(local.socket_type);
        if theirs.as_server == server {
            let reason = "both sides have the same role";
            return Err(HandshakeError::Security(reason.into()));
        }
        if !server {
            encode_command(b"HELLO", &[&[0; 190]], out);
        }
        Ok(Box::new(State {
            toy: *self,
            server,
            welcomed: false,
        }))
    }
}

#[derive(Debug)]
struct State {
    toy: Toy,
    server: bool,
    welcomed: bool,
}

impl State {
    fn agreed(&self, sealed: &[u8]) -> Result<Agreed, HandshakeError> {
        let bytes = self.toy.xored(sealed);
        let metadata = Metadata::parse(Bytes::from(bytes))
            .map_err(|_| HandshakeError::Security("the metadata can't be opened".into()))?;
        let (client, server) = (self.toy.secret, self.toy.secret.wrapping_add(1));
        let (ours, theirs) = if self.server {
            (server, client)
        } else {
            (client, server)
        };
        Ok(Agreed {
            metadata,
            key: None,
            sealer: Some(Box::new(Half { key: ours, last: 0 })),
            opener: Some(Box::new(Half {
                key: theirs,
                last: 0,
            })),
        })
    }
}

impl HandshakeState for State {
    fn handle(
        &mut self,
        local: &Local,
        command: RawCommand,
        out: &mut BytesMut,
    ) -> Result<Option<Agreed>, HandshakeError> {
        match (self.server, self.welcomed, &command.name[..]) {
            (true, false, b"HELLO") => {
                self.welcomed = true;
                encode_command(b"WELCOME", &[&[0; 160]], out);
                Ok(None)
            }
            (false, false, b"WELCOME") => {
                self.welcomed = true;
                let metadata = self.toy.xored(&local.metadata());
                encode_command(b"INITIATE", &[&metadata], out);
                Ok(None)
            }
            (true, true, b"INITIATE") => {
                let agreed = self.agreed(&command.fields)?;
                let metadata = self.toy.xored(&local.metadata());
                encode_command(b"READY", &[&metadata], out);
                Ok(Some(agreed))
            }
            (false, true, b"READY") => self.agreed(&command.fields).map(Some),
            _ => Err(HandshakeError::Unexpected("a command out of its order")),
        }
    }
}

impl Toy {
    fn xored(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().map(|byte| byte ^ self.secret).collect()
    }

    /// What a client seals with and a server opens with.
    pub fn client(&self) -> Half {
        Half {
            key: self.secret,
            last: 0,
        }
    }
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub struct Half {
    key: u8,
    last: u64,
}

impl Half {
    fn checksum(&self, number: u64, sealed: &[u8]) -> u64 {
        let seed = number ^ u64::from(self.key);
        sealed.iter().fold(seed, |sum, byte| {
            sum.rotate_left(5).wrapping_mul(31) ^ u64::from(*byte)
        })
    }
}

impl Sealer for Half {
    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn seal(&mut self, flags: FrameFlags, content: &[u8], out: &mut BytesMut) {
        self.last += 1;
        let flags = u8::from(flags.more) | u8::from(flags.command) << 1;
        let sealed: Vec<u8> = std::iter::once(&flags)
            .chain(content)
            .map(|byte| byte ^ self.key)
            .collect();
        out.put_slice(MESSAGE);
        out.put_u64(self.last);
        out.put_u64(self.checksum(self.last, &sealed));
        out.put_slice(&sealed);
    }
}

impl Opener for Half {
    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn open(&mut self, sealed: &mut [u8]) -> Result<Opened, OpenError> {
        let (head, rest) = sealed
            .split_at_mut_checked(OVERHEAD - 1)
            .filter(|(head, rest)| head.starts_with(MESSAGE) && !rest.is_empty())
            .ok_or(OpenError::NotSealed)?;
        let number = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().unwrap());
        if number(16) != self.checksum(number(8), rest) {
            return Err(OpenError::Forged);
        }
        if number(8) != self.last + 1 {
            return Err(OpenError::Reordered);
        }
        self.last += 1;
        for byte in rest.iter_mut() {
            *byte ^= self.key;
        }
        Ok(Opened {
            flags: FrameFlags {
                more: rest[0] & 1 != 0,
                command: rest[0] & 2 != 0,
            },
            content: OVERHEAD..OVERHEAD + rest.len() - 1,
        })
    }
}
