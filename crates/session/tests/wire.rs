//! What other implementations see of our engine: each engine against the other,
//! and against ZMTP spoken by hand.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zre_session::{
    Arrival, CloseReason, Config, Engine, Identity, Inbox, IpcDir, Link, Links, Message, Notice,
    Notices, SameHost, Target,
};
use zre_zmtp::{
    Encoder, FrameHeader, FrameLimits, Handshake, Local, Null, SocketType, encode_command,
    encode_error, encode_ping,
};

const DEADLINE: Duration = Duration::from_secs(30);

async fn open(engine: Engine, identity: &[u8], ipc: IpcDir) -> (Links, Inbox, Notices) {
    let mut config = Config::new(Identity::new(identity.to_vec()).unwrap());
    config.engine = engine;
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.ipc = ipc;
    config.inproc = false;
    Links::open(config).await.unwrap()
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

fn body(i: usize) -> Vec<Bytes> {
    let blob = |n: usize| Bytes::from(vec![i as u8; n]);
    match i % 4 {
        0 => vec![],
        1 => vec![Bytes::new()],
        2 => vec![blob(i * 7), Bytes::new(), blob(3)],
        _ => vec![blob(i * 1000)],
    }
}

async fn each_to_the_other(from: Engine, to: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let ipc = IpcDir::Path(dir.path().join("ipc"));
    let (links, mut inbox, _notices) = open(to, b"reader", ipc.clone()).await;
    let tcp = Target::default()
        .addr(links.listening()[0])
        .same_host(SameHost::Never);
    let over_ipc = Target::default()
        .ipc(PathBuf::from(links.ipc_path().unwrap()))
        .same_host(SameHost::Never);
    for (link, target) in [(Link::Tcp, tcp), (Link::Ipc, over_ipc)] {
        let (sender, _inbox, mut notices) = open(from, b"sender", IpcDir::Off).await;
        let mailbox = sender.connect(1, target);
        match soon(notices.recv()).await {
            Some(Notice::Up {
                link: up, identity, ..
            }) => {
                assert_eq!(up, link);
                assert_eq!(identity.unwrap().as_bytes(), b"reader");
            }
            other => panic!("{other:?}"),
        }
        for i in 0..100 {
            mailbox.try_send(&[i as u8], &body(i)).unwrap();
        }
        for (i, message) in next_messages(&mut inbox, 100).await.iter().enumerate() {
            assert_eq!(message.head[..], [i as u8]);
            assert_eq!(message.body[..], body(i)[..]);
        }
    }
}

#[tokio::test]
async fn our_engine_to_itself() {
    each_to_the_other(Engine::Native, Engine::Native).await;
}

#[cfg(feature = "zeromq")]
#[tokio::test]
async fn our_engine_to_zeromq() {
    each_to_the_other(Engine::Native, Engine::ZeroMq).await;
}

#[cfg(feature = "zeromq")]
#[tokio::test]
async fn zeromq_to_our_engine() {
    each_to_the_other(Engine::ZeroMq, Engine::Native).await;
}

// ------------------------------------------------------------ ZMTP by hand

/// The other end of a connection, blocking, spoken by hand.
struct Hand {
    stream: TcpStream,
    input: BytesMut,
}

impl Hand {
    fn new(stream: TcpStream, socket_type: SocketType) -> Hand {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let local = Local::new(socket_type, Bytes::from_static(b"hand"), Arc::new(Null));
        let mut hand = Hand {
            stream,
            input: BytesMut::new(),
        };
        let mut handshake = Handshake::new(local, FrameLimits::default());
        let mut out = BytesMut::new();
        handshake.start(&mut out);
        loop {
            hand.stream.write_all(&out).unwrap();
            out.clear();
            let peer = handshake.advance(&mut hand.input, &mut out).unwrap();
            if peer.is_some() {
                hand.stream.write_all(&out).unwrap();
                return hand;
            }
            if out.is_empty() {
                assert!(hand.read() > 0);
            }
        }
    }

    fn read(&mut self) -> usize {
        let mut buf = [0; 4096];
        let n = self.stream.read(&mut buf).unwrap();
        self.input.extend_from_slice(&buf[..n]);
        n
    }

    /// The next frame: whether it is a command, and its body.
    fn frame(&mut self) -> (bool, Bytes) {
        loop {
            if let Some((header, taken)) = FrameHeader::parse(&self.input).unwrap() {
                let end = taken + header.len as usize;
                if self.input.len() >= end {
                    let frame = self.input.split_to(end).freeze();
                    return (header.command, frame.slice(taken..));
                }
            }
            assert!(self.read() > 0, "the connection ended");
        }
    }

    /// Reads until the end of the connection, however that comes.
    fn at_end(mut self) -> bool {
        let mut buf = [0; 4096];
        while matches!(self.stream.read(&mut buf), Ok(n) if n > 0) {}
        true
    }
}

fn pong(context: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_command(b"PONG", &[context], &mut out);
    out[2..].to_vec()
}

fn ping(context: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_ping(10, context, &mut out);
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_answers_heartbeats_and_ignores_what_it_does_not_know() {
    let (links, mut inbox, _notices) = open(Engine::Native, b"reader", IpcDir::Off).await;
    let addr = links.listening()[0];
    let hand = tokio::task::spawn_blocking(move || {
        let mut hand = Hand::new(TcpStream::connect(addr).unwrap(), SocketType::Dealer);
        // In the middle of a message, as libzmq may do it.
        let mut bytes = vec![1, 1, b'a'];
        bytes.extend(ping(b"one"));
        bytes.extend([0, 1, b'b']);
        bytes.extend(b"\x04\x08\x07UNKNOWN"); // a command of the future
        bytes.extend(ping(b""));
        hand.stream.write_all(&bytes).unwrap();
        assert_eq!(hand.frame(), (true, pong(b"one").into()));
        assert_eq!(hand.frame(), (true, pong(b"").into()));
        hand
    });
    let messages = next_messages(&mut inbox, 1).await;
    assert_eq!(messages[0], Message::new(b"a", &[Bytes::from_static(b"b")]));
    let mut hand = soon(hand).await.unwrap();
    // ERROR ends it, with the peer's words.
    let mut error = BytesMut::new();
    encode_error("enough", &mut error);
    hand.stream.write_all(&error).unwrap();
    loop {
        if let Some(Arrival::Closed { reason, .. }) = soon(inbox.recv()).await {
            assert!(matches!(&reason, CloseReason::Protocol(words) if words.contains("enough")));
            break;
        }
    }
    assert!(tokio::task::spawn_blocking(|| hand.at_end()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailbox_answers_heartbeats_between_messages() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::default()
        .addr(listener.local_addr().unwrap())
        .same_host(SameHost::Never);
    let hand = tokio::task::spawn_blocking(move || {
        let stream = listener.accept().unwrap().0;
        Hand::new(stream, SocketType::Router)
    });
    let (links, _inbox, mut notices) = open(Engine::Native, b"sender", IpcDir::Off).await;
    let mailbox = links.connect(1, target);
    let mut hand = soon(hand).await.unwrap();
    match soon(notices.recv()).await {
        Some(Notice::Up { identity, .. }) => assert_eq!(identity.unwrap().as_bytes(), b"hand"),
        other => panic!("{other:?}"),
    }
    mailbox.try_send(b"before", &[]).unwrap();
    let hand = tokio::task::spawn_blocking(move || {
        assert_eq!(hand.frame(), (false, Bytes::from_static(b"before")));
        hand.stream.write_all(&ping(b"alive?")).unwrap();
        assert_eq!(hand.frame(), (true, pong(b"alive?").into()));
        // A message that comes backwards is ignored.
        let mut encoder = Encoder::new(None);
        encoder.push_message(b"backwards", &[]);
        let mut slices = [std::io::IoSlice::new(&[])];
        encoder.slices(&mut slices);
        hand.stream.write_all(&slices[0]).unwrap();
        hand.stream.write_all(&ping(b"still?")).unwrap();
        assert_eq!(hand.frame(), (true, pong(b"still?").into()));
        hand
    });
    let mut hand = soon(hand).await.unwrap();
    mailbox.try_send(b"after", &[]).unwrap();
    let hand = tokio::task::spawn_blocking(move || {
        assert_eq!(hand.frame(), (false, Bytes::from_static(b"after")));
        hand
    });
    drop(soon(hand).await.unwrap());
    match soon(notices.recv()).await {
        Some(Notice::Closed { reason, lost, .. }) => {
            assert_eq!((reason, lost), (CloseReason::PeerClosed, 0));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_sent_to_the_peer() {
    let (links, _inbox, _notices) = open(Engine::Native, b"reader", IpcDir::Off).await;
    let addr = links.listening()[0];
    let said = tokio::task::spawn_blocking(move || {
        let identity = Bytes::from_static(b"\0reserved");
        let local = Local::new(SocketType::Dealer, identity, Arc::new(Null));
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut handshake = Handshake::new(local, FrameLimits::default());
        let mut out = BytesMut::new();
        handshake.start(&mut out);
        let mut theirs = BytesMut::from(&out[..]);
        handshake.advance(&mut theirs, &mut out).unwrap();
        stream.write_all(&out).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        said
    });
    let said = soon(said).await.unwrap();
    let words = b"begins with a zero byte";
    assert!(said.windows(6).any(|w| w == b"\x05ERROR"));
    assert!(said.windows(words.len()).any(|w| w == words));
}
