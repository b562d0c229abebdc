//! One connection to a neighbour: ZMTP in both directions, one frame per message.

use std::io;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use zre_zmtp::{
    Command, DecodeError, Decoder, Encoder, FrameLimits, Handshake, HandshakeError, Item, Local,
    Mechanism, SocketType, Unpooled,
};

use super::hub::{Batch, HubMessage, NeighbourId};
use super::message::{GossipMessage, MessageError, VALUE};
use crate::driver::Key;

/// How long a handshake may take, then a client's HELLO, and how long a neighbour may take
/// to read what it is sent. A slower neighbour is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How many messages are encoded at a time.
const PART: usize = 64;

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the neighbour closed the connection")]
    Closed,
    #[error("the neighbour doesn't read, or doesn't answer")]
    Slow,
    #[error("the handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    #[error("what came isn't ZMTP: {0}")]
    Zmtp(#[from] DecodeError),
    #[error("what came isn't gossip: {0}")]
    Gossip(#[from] MessageError),
    #[error("no address is known for the name")]
    NoAddress,
}

/// The limits of what a neighbour may send: a message is one frame.
fn limits() -> FrameLimits {
    FrameLimits {
        frame_bytes: VALUE + 512,
        message_bytes: VALUE + 512,
        parts: 1,
        ..FrameLimits::default()
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub(super) struct GossipLink {
    stream: TcpStream,
    encoder: Encoder,
    decoder: Decoder,
    /// The key that the neighbour has proved.
    pub(super) key: Option<Key>,
}

impl GossipLink {
    /// Dials the first of these addresses that answers, as a DEALER.
    pub(super) async fn dial(
        addrs: &[SocketAddr],
        mechanism: &Arc<dyn Mechanism>,
    ) -> Result<Self, LinkError> {
        let mut failed = LinkError::NoAddress;
        for addr in addrs {
            let tried = tokio::time::timeout(PATIENCE, TcpStream::connect(addr)).await;
            match tried {
                Err(_) => failed = LinkError::Slow,
                Ok(Err(error)) => failed = error.into(),
                Ok(Ok(stream)) => {
                    return Self::open(stream, SocketType::Dealer, Arc::clone(mechanism)).await;
                }
            }
        }
        Err(failed)
    }

    /// Performs the handshake.
    pub(super) async fn open(
        mut stream: TcpStream,
        socket_type: SocketType,
        mechanism: Arc<dyn Mechanism>,
    ) -> Result<Self, LinkError> {
        let local = Local::new(socket_type, Bytes::new(), mechanism);
        let shaken = tokio::time::timeout(PATIENCE, async {
            stream.set_nodelay(true)?;
            let mut handshake = Handshake::new(local, limits());
            let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
            handshake.start(&mut out);
            loop {
                write_bytes(&stream, &mut out).await?;
                if stream.read_buf(&mut input).await? == 0 {
                    return Err(LinkError::Closed);
                }
                let done = handshake.advance(&mut input, &mut out)?;
                write_bytes(&stream, &mut out).await?;
                if let Some(done) = done {
                    let decoder = Decoder::new(limits(), input, done.opener);
                    return Ok((Encoder::new(done.sealer), decoder, done.peer.key));
                }
            }
        });
        let (encoder, decoder, key) = shaken.await.unwrap_or(Err(LinkError::Slow))?;
        Ok(Self {
            stream,
            encoder,
            decoder,
            key,
        })
    }

    /// Carries messages until something fails: from the neighbour to the hub, and encoded
    /// ones from `queue` to the neighbour. It also ends when the other end of `queue` is
    /// dropped.
    pub(super) async fn run(
        self,
        id: NeighbourId,
        mut queue: mpsc::Receiver<Batch>,
        reports: &mpsc::Sender<HubMessage>,
    ) -> Result<(), LinkError> {
        let Self {
            stream,
            mut encoder,
            mut decoder,
            key: _,
        } = self;
        let (reader, mut writer) = stream.into_split();
        let (pongs, mut answers) = mpsc::channel::<Bytes>(4);
        let write = async move {
            loop {
                let batch = tokio::select! {
                    Some(context) = answers.recv() => {
                        encoder.push_pong(&context);
                        None
                    }
                    batch = queue.recv() => Some(batch.ok_or(LinkError::Closed)?),
                };
                let messages = batch.as_ref().map_or(&[][..], |batch| &batch.messages);
                let written = async {
                    // The encoder copies: it gets a part at a time.
                    for part in messages.chunks(PART) {
                        for message in part {
                            encoder.push_message(message, &[]);
                        }
                        write_all(&mut writer, &mut encoder).await?;
                    }
                    write_all(&mut writer, &mut encoder).await
                };
                let written = tokio::time::timeout(PATIENCE, written).await;
                written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
                // It counts until it is written.
                drop(batch);
                encoder.release(0);
            }
        };
        let read = async move {
            loop {
                while let Some(item) = decoder.decode(&mut Unpooled)? {
                    match item {
                        Item::Message(message) => {
                            match GossipMessage::decode(&message.head) {
                                Ok(message) => {
                                    let sent = reports.send(HubMessage::Heard(id, message)).await;
                                    sent.map_err(|_| LinkError::Closed)?;
                                }
                                // Perhaps of a newer version; the next one may be known.
                                Err(error @ MessageError::Unknown(_)) => {
                                    tracing::debug!(%error, "passed over");
                                }
                                Err(error) => return Err(error.into()),
                            }
                        }
                        Item::Command(body) => match Command::parse(body) {
                            Ok(Command::Ping { context, .. }) => {
                                // A neighbour that pings without reading gets no more.
                                let _ = pongs.try_send(context);
                            }
                            Ok(_) => {}
                            Err(error) => return Err(DecodeError::from(error).into()),
                        },
                    }
                }
                decoder.rest(&mut Unpooled);
                reader.readable().await?;
                match reader.try_read_buf(&mut decoder.read_buf(&mut Unpooled)) {
                    Ok(0) => return Err(LinkError::Closed),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        };
        tokio::select! {
            ended = write => ended,
            ended = read => ended,
        }
    }
}

/// Writes everything that an encoder holds.
#[allow(
    clippy::indexing_slicing,
    reason = "slices() says how many it has filled"
)]
async fn write_all(writer: &mut OwnedWriteHalf, encoder: &mut Encoder) -> io::Result<()> {
    while !encoder.is_empty() {
        let mut slices = [IoSlice::new(&[]); 16];
        let filled = encoder.slices(&mut slices);
        let written = write_some(writer.as_ref(), &slices[..filled]).await?;
        encoder.advance(written);
    }
    Ok(())
}

/// Writes all of these bytes.
async fn write_bytes(stream: &TcpStream, bytes: &mut BytesMut) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = write_some(stream, &[IoSlice::new(bytes)]).await?;
        bytes.advance(written);
    }
    Ok(())
}

/// Writes at least one byte, when the kernel takes some.
async fn write_some(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let write = || zre_session::write_vectored(stream, slices);
    match stream.async_io(Interest::WRITABLE, write).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

#[cfg(test)]
#[path = "../../../../zmtp/tests/toy/mod.rs"]
mod toy;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn neighbours_gossip_under_a_mechanism_that_seals() {
        let mechanism: Arc<dyn Mechanism> = Arc::new(toy::Toy { secret: 7 });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addrs = [listener.local_addr().unwrap()];
        let accept = async {
            let (stream, _) = listener.accept().await.unwrap();
            GossipLink::open(stream, SocketType::Router, Arc::clone(&mechanism)).await
        };
        let (hub, client) = tokio::join!(accept, GossipLink::dial(&addrs, &mechanism));
        let (hub, client) = (hub.unwrap(), client.unwrap());

        let said = [GossipMessage::Hello, GossipMessage::Ping];
        let (queue, waiting) = mpsc::channel(1);
        let batch = Batch::new(&said, &Arc::new(Semaphore::new(1000)), &Arc::default());
        queue.send(batch.unwrap()).await.unwrap();
        let (reports, mut heard) = mpsc::channel(4);
        let (_silent, nothing) = mpsc::channel(1);
        let client_reports = mpsc::channel(1).0;
        let both = async {
            tokio::join!(
                client.run(1, waiting, &client_reports),
                hub.run(2, nothing, &reports)
            )
        };
        let hear = async {
            for message in said {
                match heard.recv().await {
                    Some(HubMessage::Heard(2, other)) => assert_eq!(other, message),
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::select! {
            ended = both => panic!("{ended:?}"),
            heard = tokio::time::timeout(PATIENCE, hear) => heard.unwrap(),
        }
    }
}
