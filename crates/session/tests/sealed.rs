//! Our engine under a mechanism that seals: everything that goes over a socket
//! is sealed, and nothing else changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

#[path = "../../zmtp/tests/toy/mod.rs"]
mod toy;

use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use toy::Toy;
use zre_session::{
    Arrival, CloseReason, Config, Flushed, Identity, Inbox, IpcDir, Link, Links, Mailbox, Message,
    Notice, Notices, Null, SameHost, Target, TrySendError,
};
use zre_zmtp::{
    Command, Decoder, Encoder, Established, FrameLimits, Handshake, Item, Local, SocketType,
    Unpooled, encode_ping,
};

const DEADLINE: Duration = Duration::from_secs(30);

const TOY: Toy = Toy { secret: 0x5a };

fn config(identity: &[u8]) -> Config {
    let mut config = Config::new(Identity::new(identity.to_vec()).unwrap());
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.ipc = IpcDir::Off;
    config.inproc = false;
    config.mechanism = Arc::new(TOY);
    config
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

async fn next_messages(inbox: &mut Inbox, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        if let Some(Arrival::Batch(mut batch)) = soon(inbox.recv()).await {
            messages.append(&mut batch.messages);
        }
    }
    messages
}

async fn up(notices: &mut Notices) -> Link {
    match soon(notices.recv()).await {
        Some(Notice::Up { link, .. }) => link,
        other => panic!("{other:?}"),
    }
}

async fn closed(notices: &mut Notices) -> (CloseReason, u64) {
    match soon(notices.recv()).await {
        Some(Notice::Closed { reason, lost, .. }) => (reason, lost),
        other => panic!("{other:?}"),
    }
}

async fn send(mailbox: &Mailbox, head: &[u8], body: &[Bytes]) {
    loop {
        match mailbox.try_send(head, body) {
            Ok(()) => return,
            Err(TrySendError::Full) => soon(mailbox.writable(1 << 20)).await.unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn body(at: usize) -> Vec<Bytes> {
    let blob = |len: usize| Bytes::from(vec![at as u8; len]);
    match at % 5 {
        0 => vec![],
        1 => vec![Bytes::new()],
        2 => vec![blob(at), Bytes::new(), blob(3)],
        3 => vec![blob(4096 + at)],
        _ => vec![blob(at * 200)],
    }
}

/// Messages of all sizes: some before the link stands, then a flood.
async fn messages_come_in_order(link: Link, own: Config, theirs: Config) {
    const COUNT: usize = 2000;
    let (links, mut inbox, _notices) = Links::open(theirs).await.unwrap();
    let (sender, _inbox, mut notices) = Links::open(own).await.unwrap();
    let target = Target::default()
        .peer(links.identity().clone())
        .addr(links.listening()[0]);
    let mailbox = sender.connect(1, target);
    let writer = tokio::spawn(async move {
        for at in 0..COUNT {
            send(&mailbox, &at.to_be_bytes(), &body(at)).await;
        }
        assert_eq!(mailbox.flush(DEADLINE).await, Flushed::All);
        assert_eq!(mailbox.queued().bytes, 0);
        mailbox
    });
    assert_eq!(up(&mut notices).await, link);
    for (at, message) in next_messages(&mut inbox, COUNT).await.iter().enumerate() {
        assert_eq!(message.head[..], at.to_be_bytes());
        assert_eq!(message.body[..], body(at)[..]);
    }
    let mailbox = soon(writer).await.unwrap();
    // What is queued goes out before the end.
    for at in 0..100usize {
        mailbox.try_send(&at.to_be_bytes(), &[]).unwrap();
    }
    mailbox.close(DEADLINE);
    next_messages(&mut inbox, 100).await;
    assert_eq!(closed(&mut notices).await, (CloseReason::Local, 0));
    assert_eq!(sender.queued_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_in_order_over_tcp() {
    messages_come_in_order(Link::Tcp, config(b"sender"), config(b"reader")).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn messages_come_in_order_over_ipc() {
    let dir = tempfile::tempdir().unwrap();
    let over_ipc = |identity| {
        let mut config = config(identity);
        config.ipc = IpcDir::Path(dir.path().join("ipc"));
        config
    };
    messages_come_in_order(Link::Ipc, over_ipc(b"sender"), over_ipc(b"reader")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_need_the_same_mechanism() {
    let (links, _inbox, _notices) = Links::open(config(b"reader")).await.unwrap();
    let mut plain = config(b"sender");
    plain.mechanism = Arc::new(Null);
    let mut other = config(b"sender");
    other.mechanism = Arc::new(Toy { secret: 1 });
    for config in [plain, other] {
        let (sender, _inbox, mut notices) = Links::open(config).await.unwrap();
        let target = Target::default().addr(links.listening()[0]);
        let mailbox = sender.connect(1, target);
        // The connection may end before this.
        let accepted = u64::from(mailbox.try_send(b"secret", &[]).is_ok());
        let (reason, lost) = closed(&mut notices).await;
        assert!(matches!(reason, CloseReason::Handshake(_)), "{reason}");
        assert_eq!(lost, accepted);
    }
}

#[cfg(feature = "zeromq")]
#[tokio::test]
async fn the_zeromq_engine_refuses_a_mechanism() {
    let mut config = config(b"node");
    config.engine = zre_session::Engine::ZeroMq;
    match Links::open(config).await {
        Err(zre_session::OpenError::Mechanism(name)) => assert_eq!(name.to_string(), "TOY"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

// ------------------------------------------------------------ ZMTP by hand

/// The other end of a connection, blocking, spoken by hand.
struct Hand {
    stream: TcpStream,
    encoder: Encoder,
    decoder: Decoder,
    /// All that has come since the handshake.
    received: Vec<u8>,
}

impl Hand {
    fn new(mut stream: TcpStream, socket_type: SocketType, identity: &'static [u8]) -> Hand {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let local = Local::new(socket_type, Bytes::from_static(identity), Arc::new(TOY));
        let mut handshake = Handshake::new(local, FrameLimits::default());
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        handshake.start(&mut out);
        loop {
            stream.write_all(&out).unwrap();
            out.clear();
            if let Some(done) = handshake.advance(&mut input, &mut out).unwrap() {
                stream.write_all(&out).unwrap();
                let Established { sealer, opener, .. } = done;
                return Hand {
                    stream,
                    encoder: Encoder::new(sealer),
                    received: input.to_vec(),
                    decoder: Decoder::new(FrameLimits::default(), input, opener),
                };
            }
            if out.is_empty() {
                let mut buf = [0; 4096];
                let n = stream.read(&mut buf).unwrap();
                assert!(n > 0, "the connection ended");
                input.extend_from_slice(&buf[..n]);
            }
        }
    }

    fn item(&mut self) -> Item {
        loop {
            if let Some(item) = self.decoder.decode(&mut Unpooled).unwrap() {
                return item;
            }
            let mut buf = [0; 4096];
            let n = self.stream.read(&mut buf).unwrap();
            assert!(n > 0, "the connection ended");
            self.received.extend_from_slice(&buf[..n]);
            self.decoder.read_buf(&mut Unpooled).put_slice(&buf[..n]);
        }
    }

    fn command(&mut self) -> Command {
        match self.item() {
            Item::Command(body) => Command::parse(body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn message(&mut self) -> Message {
        match self.item() {
            Item::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self) {
        while !self.encoder.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = self.encoder.slices(&mut slices);
            let written = self.stream.write_vectored(&slices[..filled]).unwrap();
            self.encoder.advance(written);
        }
    }

    fn ping(&mut self, context: &[u8]) {
        let mut frame = Vec::new();
        encode_ping(10, context, &mut frame);
        // Its body: the short header is two bytes.
        self.encoder.push_command(&frame[2..]);
        self.write();
    }

    /// Whether these bytes have come, in the clear.
    fn has_seen(&self, bytes: &[u8]) -> bool {
        self.received.windows(bytes.len()).any(|seen| seen == bytes)
    }
}

fn pong(context: &'static [u8]) -> Command {
    let context = Bytes::from_static(context);
    Command::Pong { context }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_answers_and_refuses_under_the_seal() {
    let mut reader = config(b"reader");
    reader.limits.connections = 1;
    let (links, mut inbox, _notices) = Links::open(reader).await.unwrap();
    let addr = links.listening()[0];
    let hands = tokio::task::spawn_blocking(move || {
        let connect = || TcpStream::connect(addr).unwrap();
        let mut first = Hand::new(connect(), SocketType::Dealer, b"first");
        first
            .encoder
            .push_message(b"a", &[Bytes::from_static(b"b")]);
        first.ping(b"context");
        assert_eq!(first.command(), pong(b"context"));
        let mut second = Hand::new(connect(), SocketType::Dealer, b"second");
        match second.command() {
            Command::Error { reason } => {
                let reason = String::from_utf8_lossy(&reason).into_owned();
                assert!(reason.contains("connections"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        for hand in [&first, &second] {
            assert!(!hand.has_seen(b"PONG") && !hand.has_seen(b"ERROR"));
        }
        first
    });
    let messages = next_messages(&mut inbox, 1).await;
    assert_eq!(messages[0], Message::new(b"a", &[Bytes::from_static(b"b")]));
    let mut first = soon(hands).await.unwrap();

    // In the clear, as somebody in between might: the connection ends.
    first.stream.write_all(b"\x00\x05hello").unwrap();
    loop {
        if let Some(Arrival::Closed { reason, .. }) = soon(inbox.recv()).await {
            assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
            break;
        }
    }
    assert_eq!(links.counters().protocol, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailbox_sends_and_answers_under_the_seal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let target = Target::default().addr(addr).same_host(SameHost::Never);
    let (links, _inbox, mut notices) = Links::open(config(b"sender")).await.unwrap();
    let mailbox = links.connect(1, target);
    mailbox.try_send(b"early", &[]).unwrap();
    let hand = tokio::task::spawn_blocking(move || {
        let stream = listener.accept().unwrap().0;
        let mut hand = Hand::new(stream, SocketType::Router, b"hand");
        assert_eq!(hand.message(), Message::new(b"early", &[]));
        hand.ping(b"alive?");
        assert_eq!(hand.command(), pong(b"alive?"));
        hand
    });
    assert_eq!(up(&mut notices).await, Link::Tcp);
    let mut hand = soon(hand).await.unwrap();
    mailbox.try_send(b"late", &[]).unwrap();
    let hand = tokio::task::spawn_blocking(move || {
        assert_eq!(hand.message(), Message::new(b"late", &[]));
        assert!(!hand.has_seen(b"early") && !hand.has_seen(b"late") && !hand.has_seen(b"PONG"));
        hand.encoder.push_error("enough");
        hand.write();
        hand
    });
    let hand = soon(hand).await.unwrap();
    let (reason, lost) = closed(&mut notices).await;
    assert!(matches!(&reason, CloseReason::Protocol(words) if words.contains("enough")));
    assert_eq!(lost, 0);
    drop(hand);
}
