//! Addresses that come and go while a node runs.

use std::net::SocketAddr;
use std::time::Duration;

use zre_session::{Engine, OpenError, SameHost, Target};

use crate::bench::{Node, soon, tcp};
use crate::on_each_engine;

on_each_engine!(
    an_address_comes_and_goes_and_comes_again,
    an_address_that_cannot_be_listened_at_is_an_error,
    a_node_without_an_address_gets_one,
);

fn at(addr: SocketAddr) -> Target {
    Target::default().addr(addr).same_host(SameHost::Never)
}

async fn an_address_comes_and_goes_and_comes_again(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let bob = Node::open(tcp(engine, 2)).await;
    let first = bob.addr();
    let further = SocketAddr::new("127.0.0.2".parse().unwrap(), first.port());
    soon(bob.links.listen(further)).await.unwrap();
    assert_eq!(bob.links.listening(), [first, further]);
    // Once more is as good.
    soon(bob.links.listen(further)).await.unwrap();
    assert_eq!(bob.links.listening(), [first, further]);
    let kept = alice.links.connect(1, at(further));
    alice.up(1).await;

    bob.links.unlisten(further);
    // In turn, so that the address is free again by then.
    soon(bob.links.listen(further)).await.unwrap();
    bob.links.unlisten(further);
    // In turn again: it is closed when this one is there.
    let other = SocketAddr::new("127.0.0.3".parse().unwrap(), first.port());
    soon(bob.links.listen(other)).await.unwrap();
    assert_eq!(bob.links.listening(), [first, other]);
    let _refused = alice.links.connect(2, at(further));
    alice.closed(2).await;
    // By somebody else: alice's own would take the place of her first.
    let mut carol = Node::open(tcp(engine, 3)).await;
    let _mailbox = carol.links.connect(3, at(other));
    carol.up(3).await;
    // What came there meanwhile stays.
    assert!(!kept.is_closed());
}

async fn an_address_that_cannot_be_listened_at_is_an_error(engine: Engine) {
    let alice = Node::open(tcp(engine, 1)).await;
    let bob = Node::open(tcp(engine, 2)).await;
    let error = soon(bob.links.listen(alice.addr())).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse(addr) if addr == alice.addr()));
    assert_eq!(bob.links.listening(), [bob.addr()]);
    let _ = bob.links.shutdown(Duration::ZERO).await;
    let late = soon(bob.links.listen("127.0.0.2:0".parse().unwrap())).await;
    assert!(matches!(late, Err(OpenError::Shut)), "{late:?}");
}

/// As a node whose only interface has no address yet.
async fn a_node_without_an_address_gets_one(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let mut nowhere = tcp(engine, 2);
    nowhere.listen.clear();
    let bob = Node::open(nowhere).await;
    assert!(bob.links.listening().is_empty());
    soon(bob.links.listen("127.0.0.1:0".parse().unwrap()))
        .await
        .unwrap();
    let _mailbox = alice.reach(1, &bob).await;
}
