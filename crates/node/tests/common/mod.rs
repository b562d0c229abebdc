//! What the tests of the facade share. Everything stays on loopback.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on")]

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use zre::{Builder, Event, Events, IpcDir, Link, Node};

/// Far longer than anything here takes, so that only what never happens fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn settings(name: &str, port: u16) -> Builder {
    Node::builder().name(name).loopback().beacon_port(port)
}

/// A UDP port that nobody uses now, so that tests don't meet each other.
pub(crate) fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

pub(crate) async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(PATIENCE, events.recv())
        .await
        .unwrap_or_else(|_| panic!("no event in time"))
        .unwrap_or_else(|| panic!("the node has stopped"))
}

/// The first event that the function makes something of.
pub(crate) async fn until<T>(events: &mut Events, f: impl Fn(Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = f(next(events).await) {
            return found;
        }
    }
}

pub(crate) async fn enter(events: &mut Events) -> zre::Peer {
    until(events, |event| match event {
        Event::Enter { peer } => Some(peer),
        _ => None,
    })
    .await
}

/// Each link that this system has, with the settings for `ipc` and `inproc` that make two
/// nodes of this process choose it. `sockets` is the directory for ipc.
pub(crate) fn links(sockets: &Path) -> Vec<(Link, IpcDir, bool)> {
    let mut links = vec![
        (Link::Tcp, IpcDir::Off, false),
        (Link::Inproc, IpcDir::Off, true),
    ];
    if cfg!(unix) {
        links.push((Link::Ipc, IpcDir::Path(sockets.to_owned()), false));
    }
    links
}
