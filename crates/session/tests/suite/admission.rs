//! Connections that the reader of the inbox judges, which only our engine knows.

use std::time::Duration;

use zre_session::{Arrival, CloseReason, Config, Engine, Mailbox};

use crate::bench::{self, Node, number, run, send};

const NEVER: Duration = Duration::from_secs(600);

/// A node that judges those who connect within that time.
fn judging(time: Duration) -> Config {
    let mut config = bench::tcp(Engine::Native, 2);
    config.admission = Some(time);
    config
}

/// Connects under an identity; also returns the number of the connection.
async fn caller(identity: u8, bob: &mut Node) -> (Node, Mailbox, u64) {
    let mut node = Node::open(bench::tcp(Engine::Native, identity)).await;
    let (mailbox, _) = node.reach(1, bob).await;
    let (connection, _) = bob.opened().await;
    (node, mailbox, connection)
}

/// A message of this number arrives over this connection.
async fn delivers(bob: &mut Node, mailbox: &Mailbox, connection: u64, text: u64) {
    send(mailbox, &text.to_be_bytes(), &[]).await;
    match bob.arrival().await {
        Arrival::Batch(batch) => {
            assert_eq!(batch.connection, connection);
            assert_eq!(number(&batch.messages[0]), text);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_connection_of_an_identity_waits_beside_the_first() {
    run(async {
        let mut bob = Node::open(judging(NEVER)).await;
        let (mut first, first_mailbox, one) = caller(1, &mut bob).await;
        bob.links.admit(one);
        let (mut second, second_mailbox, two) = caller(1, &mut bob).await;
        for text in 0..10 {
            delivers(&mut bob, &first_mailbox, one, text).await;
            delivers(&mut bob, &second_mailbox, two, text).await;
        }
        bob.links.refuse(one);
        bob.links.refuse(two);
        assert_eq!(bob.ended().await, (two, CloseReason::Local));
        second.closed(1).await;
        delivers(&mut bob, &first_mailbox, one, 10).await;

        let (_third, third_mailbox, three) = caller(1, &mut bob).await;
        bob.links.admit(three);
        assert_eq!(bob.ended().await, (one, CloseReason::Replaced));
        first.closed(1).await;
        delivers(&mut bob, &third_mailbox, three, 11).await;
    });
}

/// A flood of bare handshakes under the identity of a healthy peer.
#[test]
fn a_few_connections_of_an_identity_wait_and_none_costs_the_admitted_one() {
    run(async {
        let mut bob = Node::open(judging(NEVER)).await;
        let (_alice, mailbox, admitted) = caller(1, &mut bob).await;
        bob.links.admit(admitted);
        let mut claims = Vec::new();
        for round in 0..20 {
            let mut claim = Node::open(bench::tcp(Engine::Native, 1)).await;
            let (claimed, _) = claim.reach(1, &bob).await;
            claims.push((claim, claimed));
            let mut ended = Vec::new();
            loop {
                match bob.arrival().await {
                    Arrival::Opened { .. } => break,
                    Arrival::Closed { connection, .. } => ended.push(connection),
                    other => panic!("{other:?}"),
                }
            }
            // The oldest that waits gave way.
            let expected = round >= 4;
            if expected && ended.is_empty() {
                ended.push(bob.ended().await.0);
            }
            assert_eq!(ended.len(), usize::from(expected), "{round}");
            assert!(!ended.contains(&admitted));
            delivers(&mut bob, &mailbox, admitted, round).await;
        }
        assert_eq!(bob.links.counters().limited, 16);
    });
}

/// A connection from an address of this host under an identity, which says no more.
#[cfg(target_os = "linux")]
fn claim(from: [u8; 4], identity: u8, bob: &Node) -> std::net::TcpStream {
    use socket2::{Domain, Socket, Type};
    use std::io::Write;
    use zre_zmtp::{FrameLimits, Handshake, Local, Null, SocketType};

    let identity = bytes::Bytes::copy_from_slice(bench::identity(identity).as_bytes());
    let local = Local::new(SocketType::Dealer, identity, std::sync::Arc::new(Null));
    let mut handshake = Handshake::new(local, FrameLimits::default());
    let mut opening = bytes::BytesMut::new();
    handshake.start(&mut opening);
    let mut theirs = opening.clone();
    handshake.advance(&mut theirs, &mut opening).unwrap();

    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = std::net::SocketAddr::from((from, 0));
    socket.bind(&from.into()).unwrap();
    socket.connect(&bob.addr().into()).unwrap();
    let mut stream = std::net::TcpStream::from(socket);
    stream.write_all(&opening).unwrap();
    stream
}

#[cfg(target_os = "linux")]
#[test]
fn a_flood_of_claims_costs_none_from_another_address() {
    run(async {
        let mut bob = Node::open(judging(NEVER)).await;
        let _honest = claim([127, 0, 0, 2], 1, &bob);
        let (honest, from) = bob.opened().await;
        assert_eq!(from.addr.unwrap().ip().to_string(), "127.0.0.2");
        let mut flood = Vec::new();
        let mut ended = 0;
        while ended < 20 {
            flood.push(claim([127, 0, 0, 3], 1, &bob));
            loop {
                match bob.arrival().await {
                    Arrival::Opened { .. } => break,
                    Arrival::Closed { connection, .. } => {
                        assert_ne!(connection, honest);
                        ended += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    });
}

#[test]
fn strangers_over_sockets_give_way_however_many_wait_in_memory() {
    run(async {
        let mut config = bench::inproc(Engine::Native, 210);
        config.admission = Some(NEVER);
        // One of eight may wait.
        let config = bench::limited(config, |limits| limits.connections = 8);
        let mut bob = Node::open(config).await;
        let mut near = Vec::new();
        for identity in 211..214 {
            let mut node = Node::open(bench::inproc(Engine::Native, identity)).await;
            let (mailbox, link) = node.reach(1, &bob).await;
            assert_eq!(link, zre_session::Link::Inproc);
            bob.opened().await;
            near.push((node, mailbox));
        }
        let (_first, _mailbox, stranger) = caller(21, &mut bob).await;
        let mut second = Node::open(bench::tcp(Engine::Native, 22)).await;
        let (_mailbox, _) = second.reach(1, &bob).await;
        assert_eq!(
            bob.ended().await,
            (stranger, CloseReason::Limit("connections"))
        );
    });
}

#[test]
fn those_that_nobody_admits_end_when_their_time_is_over() {
    run(async {
        let mut bob = Node::open(judging(Duration::from_millis(300))).await;
        let (_admitted, admitted_mailbox, admitted) = caller(1, &mut bob).await;
        bob.links.admit(admitted);
        let (mut silent, _mailbox, connection) = caller(3, &mut bob).await;
        assert_eq!(bob.ended().await, (connection, CloseReason::TimedOut));
        silent.closed(1).await;
        // One that has sent something stays for as long as nobody reads it.
        let (mut talker, mailbox, connection) = caller(4, &mut bob).await;
        send(&mailbox, &7u64.to_be_bytes(), &[]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(mailbox.link().is_some());
        let text = bob.messages(1).await;
        assert_eq!(number(&text[0]), 7);
        assert_eq!(bob.ended().await, (connection, CloseReason::TimedOut));
        talker.closed(1).await;
        delivers(&mut bob, &admitted_mailbox, admitted, 8).await;
    });
}

/// More than there are places, all from the address from which honest ones come.
#[test]
fn silent_connections_lock_nobody_out() {
    run(async {
        let config = bench::limited(judging(NEVER), |limits| limits.connections = 32);
        let mut bob = Node::open(config).await;
        let mut silent = Vec::new();
        let mut honest = Vec::new();
        for round in 0..80u8 {
            let mut node = Node::open(bench::tcp(Engine::Native, 100 + round)).await;
            let mailbox = node.links.connect(1, bob.target());
            node.up(1).await;
            silent.push((node, mailbox));
            if round % 10 == 9 {
                let mut node = Node::open(bench::tcp(Engine::Native, round)).await;
                let mailbox = node.links.connect(1, bob.target());
                send(&mailbox, &u64::from(round).to_be_bytes(), &[]).await;
                loop {
                    if let Arrival::Batch(batch) = bob.arrival().await {
                        assert_eq!(number(&batch.messages[0]), u64::from(round));
                        bob.links.admit(batch.connection);
                        break;
                    }
                }
                node.up(1).await;
                honest.push((node, mailbox));
            }
        }
        assert!(bob.links.counters().limited > 40);
        for (_, mailbox) in &honest {
            send(mailbox, &1u64.to_be_bytes(), &[]).await;
        }
        let mut heard = 0;
        while heard < honest.len() {
            if let Arrival::Batch(batch) = bob.arrival().await {
                heard += batch.messages.len();
            }
        }
    });
}

/// Admitted ones from one address fill the places of tcp, and none of ipc or memory.
#[cfg(unix)]
#[test]
fn each_kind_of_link_has_places_of_its_own() {
    run(async {
        let dir = bench::private_dir();
        let mut config = bench::ipc(Engine::Native, 2, dir.path());
        config.admission = Some(NEVER);
        let config = bench::limited(config, |limits| limits.connections = 2);
        let mut bob = Node::open(config).await;
        let mut full = Vec::new();
        for identity in [11, 12] {
            let (node, mailbox, connection) = caller(identity, &mut bob).await;
            bob.links.admit(connection);
            full.push((node, mailbox));
        }
        let mut late = Node::open(bench::tcp(Engine::Native, 13)).await;
        let _refused = late.links.connect(1, bob.target());
        while !matches!(late.notice().await, zre_session::Notice::Closed { .. }) {}
        let mut near = Node::open(bench::ipc(Engine::Native, 14, dir.path())).await;
        let (_mailbox, link) = near.reach(1, &bob).await;
        assert_eq!(link, zre_session::Link::Ipc);
        assert_eq!(bob.opened().await.1.link, zre_session::Link::Ipc);
    });
}
