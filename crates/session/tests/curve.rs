//! Our engine under CURVE: who is let in, and under which identity.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zre_curve::{Admission, Anyone, Curve, Keys, PublicKey};
use zre_session::{
    Arrival, CloseReason, Config, Either, Identity, Inbox, IpcDir, Link, Links, Mailbox, Message,
    Notice, Notices, Null, SameHost, Source, Target,
};
use zre_zmtp::{FrameLimits, Handshake, Local, SocketType};

const DEADLINE: Duration = Duration::from_secs(30);

fn curve(number: u8) -> Curve {
    Curve::new(Keys::from_secret([number; 32]), Arc::new(Anyone))
}

fn key(number: u8) -> [u8; 32] {
    curve(number).public().into()
}

fn config(identity: &[u8], curve: Curve) -> Config {
    let mut config = Config::new(Identity::new(identity.to_vec()).unwrap());
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.ipc = IpcDir::Off;
    config.inproc = false;
    config.mechanism = Arc::new(curve);
    config
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

async fn opened(inbox: &mut Inbox) -> Arc<Source> {
    match soon(inbox.recv()).await {
        Some(Arrival::Opened { from, .. }) => from,
        other => panic!("{other:?}"),
    }
}

async fn message(inbox: &mut Inbox) -> Message {
    match soon(inbox.recv()).await {
        Some(Arrival::Batch(mut batch)) => batch.messages.remove(0),
        other => panic!("{other:?}"),
    }
}

async fn closed(notices: &mut Notices) -> CloseReason {
    loop {
        match soon(notices.recv()).await {
            Some(Notice::Closed { reason, .. }) => return reason,
            Some(Notice::Up { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A mailbox that believes that `server` is the inbox's key.
fn dial(from: &Links, own: &Curve, to: &Links, server: [u8; 32], same_host: SameHost) -> Mailbox {
    let mechanism = Arc::new(own.to(PublicKey::from(server)));
    let target = Target::default()
        .peer(to.identity().clone())
        .addr(to.listening()[0])
        .same_host(same_host)
        .mechanism(mechanism);
    from.connect(1, target)
}

async fn keys_are_known_on_both_sides(link: Link, own: Config, theirs: Config) {
    let (links, mut inbox, _notices) = Links::open(theirs).await.unwrap();
    let (sender, _inbox, mut notices) = Links::open(own).await.unwrap();
    let mailbox = dial(&sender, &curve(1), &links, key(2), SameHost::Detect);
    match soon(notices.recv()).await {
        Some(Notice::Up {
            link: over,
            key: proved,
            ..
        }) => {
            assert_eq!((over, proved), (link, Some(key(2))));
        }
        other => panic!("{other:?}"),
    }
    let from = opened(&mut inbox).await;
    assert_eq!((from.link, from.key), (link, Some(key(1))));
    mailbox.try_send(b"head", &["body".into()]).unwrap();
    let got = message(&mut inbox).await;
    assert_eq!(got, Message::new(b"head", &["body".into()]));
}

#[tokio::test]
async fn keys_are_known_over_tcp() {
    let (own, theirs) = (config(b"one", curve(1)), config(b"two", curve(2)));
    keys_are_known_on_both_sides(Link::Tcp, own, theirs).await;
}

#[cfg(unix)]
#[tokio::test]
async fn keys_are_known_over_ipc() {
    let dir = tempfile::tempdir().unwrap();
    let over_ipc = |identity, number| {
        let mut config = config(identity, curve(number));
        config.ipc = IpcDir::Path(dir.path().join("ipc"));
        config
    };
    keys_are_known_on_both_sides(Link::Ipc, over_ipc(b"one", 1), over_ipc(b"two", 2)).await;
}

#[tokio::test]
async fn keys_are_known_in_memory() {
    let in_memory = |identity, number| {
        let mut config = config(identity, curve(number));
        config.inproc = true;
        config
    };
    let (own, theirs) = (in_memory(b"mem-1", 1), in_memory(b"mem-2", 2));
    keys_are_known_on_both_sides(Link::Inproc, own, theirs).await;
}

#[tokio::test]
async fn a_mailbox_reaches_only_the_key_that_it_was_given() {
    let (links, mut inbox, _notices) = Links::open(config(b"two", curve(2))).await.unwrap();
    let (sender, _inbox, mut notices) = Links::open(config(b"one", curve(1))).await.unwrap();

    let _kept = dial(&sender, &curve(1), &links, key(3), SameHost::Never);
    let reason = closed(&mut notices).await;
    assert!(matches!(&reason, CloseReason::Handshake(_)), "{reason}");

    let target = Target::default().addr(links.listening()[0]);
    let _kept = sender.connect(2, target);
    let reason = closed(&mut notices).await;
    assert!(reason.to_string().contains("isn't known"), "{reason}");

    let mut plain = config(b"plain", curve(1));
    plain.mechanism = Arc::new(zre_session::Null);
    let (plain, _inbox, mut of_plain) = Links::open(plain).await.unwrap();
    let _kept = plain.connect(1, Target::default().addr(links.listening()[0]));
    let reason = closed(&mut of_plain).await;
    assert!(reason.to_string().contains("CURVE"), "{reason}");

    // None of them was let in before this one.
    let _mailbox = dial(&sender, &curve(1), &links, key(2), SameHost::Never);
    assert_eq!(opened(&mut inbox).await.identity.as_bytes(), b"one");
    let counters = links.counters();
    assert_eq!((counters.opened, counters.handshakes_failed), (1, 3));
}

#[derive(Debug)]
struct Only([u8; 32]);

impl Admission for Only {
    fn admits(&self, key: &PublicKey) -> bool {
        *key.as_bytes() == self.0
    }
}

#[tokio::test]
async fn keys_that_are_not_let_in_are_told_and_counted() {
    let picky = Curve::new(Keys::from_secret([2; 32]), Arc::new(Only(key(1))));
    let (links, mut inbox, _notices) = Links::open(config(b"two", picky)).await.unwrap();
    let (other, _inbox, mut notices) = Links::open(config(b"other", curve(3))).await.unwrap();
    let _kept = dial(&other, &curve(3), &links, key(2), SameHost::Never);
    let reason = closed(&mut notices).await;
    assert!(reason.to_string().contains("let in"), "{reason}");
    assert_eq!(links.counters().denied, 1);
    let (sender, _inbox, _notices) = Links::open(config(b"one", curve(1))).await.unwrap();
    let _mailbox = dial(&sender, &curve(1), &links, key(2), SameHost::Never);
    assert_eq!(opened(&mut inbox).await.key, Some(key(1)));
}

#[tokio::test]
async fn an_identity_belongs_to_the_key_that_connected_under_it() {
    let (links, mut inbox, _notices) = Links::open(config(b"two", curve(2))).await.unwrap();
    let (owner, _inbox, _of_owner) = Links::open(config(b"one", curve(1))).await.unwrap();
    let mailbox = dial(&owner, &curve(1), &links, key(2), SameHost::Never);
    opened(&mut inbox).await;

    let (thief, _inbox, mut notices) = Links::open(config(b"one", curve(3))).await.unwrap();
    let _kept = dial(&thief, &curve(3), &links, key(2), SameHost::Never);
    let reason = closed(&mut notices).await;
    assert!(reason.to_string().contains("another key"), "{reason}");
    match soon(inbox.recv()).await {
        Some(Arrival::Denied { from }) => {
            assert_eq!(
                (from.identity.as_bytes(), from.key),
                (&b"one"[..], Some(key(3)))
            );
        }
        other => panic!("{other:?}"),
    }
    mailbox.try_send(b"still here", &[]).unwrap();
    let got = message(&mut inbox).await;
    assert_eq!(&got.head[..], b"still here");
    let counters = links.counters();
    assert_eq!((counters.denied, counters.replaced), (1, 0));

    // The owner itself may connect again.
    let (again, _inbox, _notices) = Links::open(config(b"one", curve(1))).await.unwrap();
    let _mailbox = dial(&again, &curve(1), &links, key(2), SameHost::Never);
    match soon(inbox.recv()).await {
        Some(Arrival::Closed { reason, .. }) => assert_eq!(reason, CloseReason::Replaced),
        other => panic!("{other:?}"),
    }
    assert_eq!(opened(&mut inbox).await.key, Some(key(1)));
}

/// The client's side of a handshake by hand, up to its INITIATE or only to its HELLO;
/// returns what it has sent.
fn shake_by_hand(stream: &mut TcpStream, identity: &'static [u8], whole: bool) -> Vec<u8> {
    let mechanism = Arc::new(curve(9).to(PublicKey::from(key(2))));
    let identity = Bytes::from_static(identity);
    let local = Local::new(SocketType::Dealer, identity, mechanism);
    let mut handshake = Handshake::new(local, FrameLimits::default());
    let (mut input, mut out, mut sent) = (BytesMut::new(), BytesMut::new(), Vec::new());
    handshake.start(&mut out);
    loop {
        stream.write_all(&out).unwrap();
        sent.extend_from_slice(&out);
        out.clear();
        // 64 bytes of greeting, 2 of the frame's header, 200 of HELLO.
        if !whole && sent.len() >= 266 {
            return sent;
        }
        let mut buf = [0; 1024];
        let n = stream.read(&mut buf).unwrap();
        assert!(n > 0, "the connection ended");
        input.extend_from_slice(&buf[..n]);
        if handshake.advance(&mut input, &mut out).unwrap().is_some() {
            return sent;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_handshakes_leave_a_healthy_peer_alone() {
    const HALF: usize = 200;
    const REPLAYED: u64 = 50;
    const CLAIMS: u64 = 50;
    let mut reader = config(b"two", curve(2));
    reader.limits.half_open = 64;
    let (links, mut inbox, _notices) = Links::open(reader).await.unwrap();
    let (healthy, _inbox, _of_healthy) = Links::open(config(b"one", curve(1))).await.unwrap();
    let mailbox = dial(&healthy, &curve(1), &links, key(2), SameHost::Never);
    opened(&mut inbox).await;

    let addr = links.listening()[0];
    // Another process with the same keys, whose cookies are its own.
    let (twin, _inbox, _of_twin) = Links::open(config(b"two", curve(2))).await.unwrap();
    let twin_addr = twin.listening()[0];
    let flood = tokio::task::spawn_blocking(move || {
        let connect = |addr| TcpStream::connect(addr).unwrap();
        let recorded =
            [addr, twin_addr].map(|addr| shake_by_hand(&mut connect(addr), b"flood", true));
        for number in 0..REPLAYED {
            let mut stream = connect(addr);
            let recorded = &recorded[usize::from(number.is_multiple_of(2))];
            // It may be given up in the middle.
            let _ = stream.write_all(recorded);
            // Until the server has given it up.
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            loop {
                match stream.read(&mut [0; 1024]) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                    Err(error) => panic!("a recorded handshake was accepted: {error}"),
                }
            }
        }
        let half = |_| {
            let mut stream = connect(addr);
            shake_by_hand(&mut stream, b"flood", false);
            stream
        };
        for _ in 0..CLAIMS {
            // Another key under the identity of the healthy peer.
            shake_by_hand(&mut connect(addr), b"one", true);
        }
        (0..HALF).map(half).collect::<Vec<_>>()
    });
    let mut flooded = None;
    let flood = async { flooded = Some(flood.await.unwrap()) };
    let talk = async {
        for number in 0..1000u32 {
            let head = number.to_be_bytes();
            mailbox.try_send(&head, &[]).unwrap();
            loop {
                match soon(inbox.recv()).await {
                    Some(Arrival::Batch(batch)) if batch.from.identity.as_bytes() == b"one" => {
                        assert_eq!(batch.messages[0].head[..], head);
                        break;
                    }
                    Some(Arrival::Closed { from, reason, .. }) => {
                        assert_ne!(from.identity.as_bytes(), b"one", "{reason}");
                    }
                    _ => {}
                }
            }
        }
    };
    tokio::join!(flood, talk);
    // Of those that wait there are never more than the limit; of the others each has ended.
    let counters = async {
        loop {
            let counters = links.counters();
            let denied = counters.denied >= CLAIMS;
            let failed = counters.handshakes_failed >= REPLAYED;
            if counters.limited >= (HALF - 64) as u64 && failed && denied {
                break counters;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let counters = soon(counters).await;
    // The healthy one, and the one that was recorded.
    assert_eq!(counters.opened, 2);
    mailbox.try_send(b"still here", &[]).unwrap();
    loop {
        // The end of the recorded connection may come first.
        if let Some(Arrival::Batch(batch)) = soon(inbox.recv()).await {
            assert_eq!(batch.messages[0].head[..], *b"still here");
            break;
        }
    }
    drop(flooded);
}

// ------------------------------------------------------ somebody in the middle

/// What somebody in the middle does to one frame of a direction.
#[derive(Clone, Copy, Debug)]
enum Act {
    FlipMore,
    FlipLong,
    FlipMiddle,
    FlipLast,
    Repeat,
    /// Sends it after the one that follows.
    Swap,
    Drop,
    /// Leaves out its last byte.
    Cut,
    /// Sends a part of it, and ends the connection.
    Break,
    /// Puts a frame in the clear before it.
    Insert,
}

const ACTS: [Act; 10] = [
    Act::FlipMore,
    Act::FlipLong,
    Act::FlipMiddle,
    Act::FlipLast,
    Act::Repeat,
    Act::Swap,
    Act::Drop,
    Act::Cut,
    Act::Break,
    Act::Insert,
];

/// The greeting, and then frame by frame.
struct Pieces {
    stream: TcpStream,
    greeted: bool,
}

impl Pieces {
    /// The next piece; none at the end of the connection.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = vec![0; if self.greeted { 2 } else { 64 }];
        self.stream.read_exact(&mut piece).ok()?;
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(piece);
        }
        let mut len = usize::from(piece[1]);
        if piece[0] & 2 != 0 {
            piece.resize(9, 0);
            self.stream.read_exact(&mut piece[2..]).ok()?;
            len = usize::try_from(u64::from_be_bytes(piece[1..].try_into().unwrap())).unwrap();
        }
        let header = piece.len();
        piece.resize(header + len, 0);
        self.stream.read_exact(&mut piece[header..]).ok()?;
        Some(piece)
    }
}

/// Carries one direction, and does this to the frame of that number; the greeting is
/// number 0. Returns whether the frame came.
fn carry(from: TcpStream, mut to: TcpStream, attack: Option<(usize, Act)>) -> bool {
    let mut from = Pieces {
        stream: from,
        greeted: false,
    };
    let mut done = false;
    let mut number = 0;
    // An error means that the other side has ended the connection.
    while let Some(mut piece) = from.next() {
        let act = attack.filter(|(at, _)| *at == number).map(|(_, act)| act);
        number += 1;
        done |= act.is_some();
        let (middle, last) = (piece.len() / 2, piece.len() - 1);
        match act {
            None | Some(Act::Drop) => {}
            Some(Act::FlipMore) => piece[0] ^= 1,
            Some(Act::FlipLong) => piece[0] ^= 2,
            Some(Act::FlipMiddle) => piece[middle] ^= 0x10,
            Some(Act::FlipLast) => piece[last] ^= 0x80,
            Some(Act::Repeat) => piece.extend_from_within(..),
            Some(Act::Swap) => match from.next() {
                Some(next) => piece = [next, piece].concat(),
                None => break,
            },
            Some(Act::Cut) => piece.truncate(last),
            Some(Act::Break) => {
                let _ = to.write_all(&piece[..middle]);
                break;
            }
            Some(Act::Insert) => piece.splice(..0, *b"\x00\x05false").for_each(drop),
        }
        if !matches!(act, Some(Act::Drop)) && to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.stream.shutdown(std::net::Shutdown::Both);
    done
}

/// Carries one connection to that address. Each direction tells whether its attack came
/// about.
fn in_the_middle(
    to: std::net::SocketAddr,
    forth: Option<(usize, Act)>,
    back: Option<(usize, Act)>,
) -> (std::net::SocketAddr, std::thread::JoinHandle<(bool, bool)>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let carrier = std::thread::spawn(move || {
        let near = listener.accept().unwrap().0;
        let far = TcpStream::connect(to).unwrap();
        let (other_near, other_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let forth = std::thread::spawn(move || carry(near, far, forth));
        let back = carry(other_far, other_near, back);
        (forth.join().unwrap(), back)
    });
    (addr, carrier)
}

const SENT: u32 = 6;

/// The frames of a handshake in each direction, after the greeting.
const HANDSHAKE: usize = 2;

/// Sends messages through somebody in the middle, and checks that nothing but the first of
/// them arrived, as they were sent; returns how many.
async fn arrived(forth: Option<(usize, Act)>, back: Option<(usize, Act)>) -> u32 {
    let attack = (forth, back);
    let in_handshake = |(at, _): &(usize, Act)| *at <= HANDSHAKE;
    let limited = |identity, number| {
        let mut config = config(identity, curve(number));
        if forth.iter().chain(&back).any(in_handshake) {
            // Who lacks a part of a command waits for it.
            config.limits.handshake_time = Duration::from_millis(300);
        }
        config
    };
    let (links, mut inbox, _notices) = Links::open(limited(b"two", 2)).await.unwrap();
    let (sender, _inbox, mut notices) = Links::open(limited(b"one", 1)).await.unwrap();
    let (addr, carrier) = in_the_middle(links.listening()[0], forth, back);
    let target = Target::default()
        .addr(addr)
        .same_host(SameHost::Never)
        .mechanism(Arc::new(curve(1).to(PublicKey::from(key(2)))));
    let mailbox = sender.connect(1, target);
    let body = Bytes::from(vec![7; 300]);
    for number in 0..SENT {
        // The connection may have ended.
        let _ = mailbox.try_send(&number.to_be_bytes(), std::slice::from_ref(&body));
    }
    let (mut arrived, mut opened) = (0, false);
    let reading = async {
        loop {
            let wait = tokio::time::timeout(Duration::from_millis(10), inbox.recv());
            match wait.await {
                Ok(Some(Arrival::Opened { from, .. })) => {
                    assert_eq!(from.identity.as_bytes(), b"one", "{attack:?}");
                    assert_eq!(from.key, Some(key(1)), "{attack:?}");
                    opened = true;
                }
                Ok(Some(Arrival::Batch(batch))) => {
                    for message in &batch.messages {
                        assert_eq!(message.head[..], u32::to_be_bytes(arrived), "{attack:?}");
                        assert!(message.body.iter().eq([&body]), "{attack:?}");
                        arrived += 1;
                    }
                }
                Ok(Some(Arrival::Closed { .. })) => return,
                Ok(other) => panic!("{other:?} {attack:?}"),
                Err(_) => {
                    let counters = links.counters();
                    if !opened && counters.handshakes_failed + counters.timed_out > 0 {
                        return;
                    }
                    if arrived == SENT {
                        // Unless the attack ends it, the sender does.
                        mailbox.close(Duration::ZERO);
                    }
                }
            }
        }
    };
    tokio::time::timeout(DEADLINE, reading)
        .await
        .unwrap_or_else(|_| panic!("{attack:?} ended nothing"));
    let reason = closed(&mut notices).await;
    let untouched = attack.0.or(attack.1).is_none();
    assert_eq!(
        arrived == SENT && reason == CloseReason::Local,
        untouched || is_harmless(attack.0)
    );
    let carried = tokio::task::spawn_blocking(|| carrier.join().unwrap());
    let (did_forth, did_back) = soon(carried).await.unwrap();
    assert_eq!(
        (did_forth, did_back),
        (forth.is_some(), back.is_some()),
        "{attack:?}"
    );
    arrived
}

/// The flag MORE of a frame that holds a sealed one says nothing: that inside counts.
fn is_harmless(attack: Option<(usize, Act)>) -> bool {
    attack.is_some_and(|(at, act)| at > HANDSHAKE && matches!(act, Act::FlipMore))
}

/// What somebody in the middle does to any frame of a connection ends it, and nothing
/// false arrives on either side.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_in_the_middle_only_ends_the_connection() {
    assert_eq!(arrived(None, None).await, SENT);
    let attacks = ACTS.map(|act| tokio::spawn(all_with(act)));
    for attack in attacks {
        attack.await.unwrap();
    }
}

async fn all_with(act: Act) {
    for at in 1..=HANDSHAKE {
        assert_eq!(
            arrived(Some((at, act)), None).await,
            0,
            "forth {at} {act:?}"
        );
        let through = arrived(None, Some((at, act))).await;
        // READY is there, and what comes after it comes too late for some.
        let may_pass = at == HANDSHAKE && matches!(act, Act::Repeat);
        assert!(through == 0 || may_pass, "back {at} {act:?}");
    }
    // A message is two frames.
    for at in HANDSHAKE + 1..=HANDSHAKE + 6 {
        let attack = Some((at, act));
        let before = u32::try_from((at - HANDSHAKE - 1) / 2).unwrap();
        let is_last = (at - HANDSHAKE).is_multiple_of(2);
        let expected = match act {
            Act::FlipMore => SENT,
            // It comes once.
            Act::Repeat if is_last => before + 1,
            _ => before,
        };
        assert_eq!(arrived(attack, None).await, expected, "forth {at} {act:?}");
    }
}

#[cfg(feature = "zeromq")]
#[tokio::test]
async fn the_zeromq_engine_refuses_a_peer_with_a_key() {
    let mut config = config(b"node", curve(1));
    config.engine = zre_session::Engine::ZeroMq;
    config.mechanism = Arc::new(zre_session::Null);
    let (links, _inbox, mut notices) = Links::open(config).await.unwrap();
    let to = links.clone();
    let _kept = dial(&links, &curve(1), &to, key(2), SameHost::Never);
    let reason = closed(&mut notices).await;
    assert!(reason.to_string().contains("native engine"), "{reason}");
}

#[tokio::test]
async fn an_inbox_that_takes_both_gives_the_client_the_choice() {
    let mut config = config(b"both", curve(2));
    config.mechanism = Arc::new(Either::new(Arc::new(curve(2)), Arc::new(Null)));
    let (links, mut inbox, mut notices) = Links::open(config).await.unwrap();
    let plain = plain_links(b"plain").await;
    let at_inbox = Target::default().addr(links.listening()[0]);
    let to_inbox = plain.0.connect(1, at_inbox.clone());
    let from = opened(&mut inbox).await;
    assert_eq!((from.identity.as_bytes(), from.key), (&b"plain"[..], None));
    to_inbox.try_send(b"in the clear", &[]).unwrap();
    assert_eq!(&message(&mut inbox).await.head[..], b"in the clear");

    let (sender, _inbox, _notices) = Links::open(self::config(b"one", curve(1))).await.unwrap();
    let _mailbox = dial(&sender, &curve(1), &links, key(2), SameHost::Never);
    let from = opened(&mut inbox).await;
    assert_eq!(
        (from.identity.as_bytes(), from.key),
        (&b"one"[..], Some(key(1)))
    );

    // Our own mailboxes don't choose.
    let _kept = links.connect(7, Target::default().addr(plain.0.listening()[0]));
    let reason = closed(&mut notices).await;
    assert!(matches!(reason, CloseReason::Handshake(_)), "{reason}");
}

async fn plain_links(identity: &[u8]) -> (Links, Inbox, Notices) {
    let mut plain = config(identity, curve(1));
    plain.mechanism = Arc::new(Null);
    Links::open(plain).await.unwrap()
}

/// An identity that somebody has without a key goes to the first who proves one, and
/// never back.
#[tokio::test]
async fn a_key_takes_an_identity_from_a_connection_without_one() {
    let mut config = config(b"both", curve(2));
    config.mechanism = Arc::new(Either::new(Arc::new(curve(2)), Arc::new(Null)));
    config.admission = Some(DEADLINE);
    let (links, mut inbox, _notices) = Links::open(config).await.unwrap();
    let (thief, _i, mut of_thief) = plain_links(b"node").await;
    let at_inbox = Target::default().addr(links.listening()[0]);
    let _kept = thief.connect(1, at_inbox.clone());
    assert_eq!(opened(&mut inbox).await.key, None);
    let (owner, _i, mut of_owner) = Links::open(self::config(b"node", curve(1))).await.unwrap();
    let _mailbox = dial(&owner, &curve(1), &links, key(2), SameHost::Never);
    match soon(inbox.recv()).await {
        Some(Arrival::Closed { from, reason, .. }) => {
            assert_eq!((from.key, reason), (None, CloseReason::OtherKey));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(opened(&mut inbox).await.key, Some(key(1)));
    closed(&mut of_thief).await;
    let _again = thief.connect(2, at_inbox);
    closed(&mut of_thief).await;
    match soon(inbox.recv()).await {
        Some(Arrival::Denied { from }) => assert_eq!(from.key, None),
        other => panic!("{other:?}"),
    }
    assert!(matches!(of_owner.try_recv(), Some(Notice::Up { .. })));
    assert!(of_owner.try_recv().is_none());
}
