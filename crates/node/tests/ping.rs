//! Round trips, over each link, and when there is no answer.

mod common;

use std::time::Duration;

use common::{PATIENCE, enter, free_port, settings, until};
use zre::{Event, IpcDir, Link, PingError, SendError, State, Uuid};

#[tokio::test]
async fn over_each_link() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = dir.path().join("sockets");
    for (link, ipc, inproc) in [
        (Link::Tcp, IpcDir::Off, false),
        (Link::Ipc, IpcDir::Path(sockets), false),
        (Link::Inproc, IpcDir::Off, true),
    ] {
        if link == Link::Ipc && !cfg!(unix) {
            continue; // Only Unix has ipc.
        }
        let port = free_port();
        let with = |name| settings(name, port).ipc(ipc.clone()).inproc(inproc);
        let (left, mut l) = with("left").start().await.unwrap();
        let (right, _r) = with("right").start().await.unwrap();
        let peer = enter(&mut l).await;
        assert_eq!(peer.link(), link);
        let before = std::time::Instant::now();
        let time = left.ping(&peer, PATIENCE).await.unwrap();
        assert!(time > Duration::ZERO && time <= before.elapsed(), "{link}");
        // Several at once, some of which nobody waits for any more.
        let many = (0..30).map(|n| {
            let (left, peer) = (left.clone(), peer.clone());
            async move {
                let patience = if n % 3 == 0 { Duration::ZERO } else { PATIENCE };
                left.ping(&peer, patience).await
            }
        });
        for (n, result) in futures::future::join_all(many)
            .await
            .into_iter()
            .enumerate()
        {
            match result {
                Ok(time) => assert!(time <= before.elapsed()),
                Err(error) => {
                    assert_eq!(error, PingError::Elapsed(Duration::ZERO));
                    assert_eq!(n % 3, 0, "over {link}");
                }
            }
        }
        assert!(left.ping("right", PATIENCE).await.is_ok());
        right.shutdown().await;
        left.shutdown().await;
    }
}

#[tokio::test]
async fn an_absent_peer_is_an_error_at_once() {
    let port = free_port();
    let (node, mut events) = settings("node", port).start().await.unwrap();
    let (other, _o) = settings("other", port).start().await.unwrap();
    let peer = enter(&mut events).await;
    let unknown = node.ping("nobody", PATIENCE).await.unwrap_err();
    assert_eq!(unknown, SendError::Unknown("nobody".into()).into());
    let unknown = node.ping(Uuid::nil(), PATIENCE).await.unwrap_err();
    assert!(matches!(unknown, PingError::Peer(SendError::Unknown(_))));
    other.shutdown().await;
    until(&mut events, |event| {
        matches!(event, Event::Exit { .. }).then_some(())
    })
    .await;
    let gone = node.ping(&peer, PATIENCE).await.unwrap_err();
    assert_eq!(gone, SendError::Gone.into());
    node.shutdown().await;
    let stopped = node.ping(&peer, PATIENCE).await.unwrap_err();
    assert_eq!(stopped, SendError::Stopped.into());
}

/// A peer that reads nothing: its application has let its queue of events fill.
#[tokio::test]
async fn a_peer_that_goes_ends_the_wait_at_once() {
    let port = free_port();
    let (node, mut events) = settings("node", port).start().await.unwrap();
    let deaf = settings("deaf", port).event_queue_bytes(1).auto_busy(true);
    let (deaf, unread) = deaf.start().await.unwrap();
    // It has our Enter to read, and says that this is too much for it.
    let peer = until(&mut events, |event| match event {
        Event::State { peer, to, .. } => (to == State::Busy).then_some(peer),
        _ => None,
    })
    .await;
    let asked = tokio::spawn({
        let (node, peer) = (node.clone(), peer.clone());
        async move { node.ping(&peer, PATIENCE).await }
    });
    let soon = node.ping(&peer, Duration::from_millis(1)).await;
    assert_eq!(
        soon,
        Err(PingError::Elapsed(Duration::from_millis(1))),
        "it doesn't read"
    );
    drop(deaf);
    let gone = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(gone.unwrap(), Err(SendError::Gone.into()));
    drop(unread);
}
