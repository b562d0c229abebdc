//! Somebody whose HELLO came: what it told, and what it said since.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::output::Inbound;
use super::peer::{ELECTION_HEADER, REQUEST_HEADER, STATE_HEADER};
use crate::limits::RESERVED_HEADERS;
use crate::{Endpoint, Frames, Hello, State};

/// What a peer may say before our mailbox to it has opened. It takes a round
/// trip, so this is far more than an honest peer needs.
const HELD_BYTES: usize = 4 << 20;

/// What all peers together may say so: strangers can be many.
const HELD_TOTAL: usize = 64 << 20;

/// What each frame costs beside its bytes.
const HELD_FRAME: usize = 64;

/// What a peer's HELLO told, and on which connection.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) connection: u64,
    /// None where the link has no addresses, in memory for one.
    pub(super) from: Option<SocketAddr>,
    pub(super) endpoint: Option<Endpoint>,
    /// The groups that it is in: those of its HELLO, and from then on what it
    /// says.
    pub(super) groups: BTreeSet<Arc<str>>,
    pub(super) status: u8,
    pub(super) state: State,
    /// Whether it showed its state, so that its session alone sets it.
    pub(super) shows_state: bool,
    /// Whether it takes requests.
    pub(super) takes_requests: bool,
    /// Whether it takes part in elections.
    pub(super) takes_elections: bool,
}

/// Somebody who has greeted us and whom we haven't.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) greeted: Greeted,
    pub(super) name: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) held: Held,
}

/// Messages that wait for the mailbox to open.
#[derive(Debug)]
pub(super) struct Held {
    messages: Vec<(Box<[u8]>, Frames)>,
    bytes: usize,
    /// What waits in the whole node.
    total: Arc<AtomicUsize>,
}

impl Greeted {
    pub(super) fn new(from: &Inbound, hello: &Hello) -> Self {
        let shown = hello
            .headers
            .get(STATE_HEADER)
            .map(|value| value.trim().parse::<u8>().map_or(State::Ready, State::from));
        Self {
            connection: from.connection,
            from: from.from,
            endpoint: reachable(&hello.endpoint, from.from),
            groups: hello
                .groups
                .iter()
                .map(|group| Arc::from(&**group))
                .collect(),
            status: hello.status,
            state: shown.unwrap_or(State::Ready),
            shows_state: shown.is_some(),
            takes_requests: hello.headers.contains_key(REQUEST_HEADER),
            takes_elections: hello.headers.contains_key(ELECTION_HEADER),
        }
    }

    /// Whether another HELLO came from another host, as far as one can see.
    pub(super) fn is_far(&self, other: &Self) -> bool {
        match (self.ip(), other.ip()) {
            (Some(this), Some(other)) => this != other,
            _ => false,
        }
    }

    /// Where it came from.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.from.map(|from| from.ip())
    }
}

/// The endpoint of a HELLO, mended by where the HELLO came from: a node that
/// binds to all addresses can't know which of them we reach, and a scope means
/// something only on the host that uses it.
fn reachable(told: &str, from: Option<SocketAddr>) -> Option<Endpoint> {
    let mut endpoint = Endpoint::from_wire(told).ok()?;
    if let (Endpoint::Tcp(addr), Some(from)) = (&endpoint, from) {
        let elsewhere = addr.ip().is_loopback() && !from.ip().is_loopback();
        if addr.ip().is_unspecified() || elsewhere {
            let mut addr = SocketAddr::new(from.ip(), addr.port());
            if let (SocketAddr::V6(addr), SocketAddr::V6(from)) = (&mut addr, from) {
                addr.set_scope_id(from.scope_id());
            }
            endpoint = Endpoint::from(addr);
        } else if let SocketAddr::V6(from) = from {
            endpoint = endpoint.with_scope(from.scope_id());
        }
    }
    match &endpoint {
        // Without an address of its sender a loopback or unix endpoint is of
        // this host; with one, a path of another host means nothing here.
        Endpoint::Ipc(_) if from.is_some_and(|from| !from.ip().is_loopback()) => None,
        Endpoint::Tcp(addr) if addr.port() == 0 || addr.ip().is_unspecified() => None,
        _ => Some(endpoint),
    }
}

impl Guest {
    pub(super) fn new(greeted: Greeted, hello: Hello, held: Held) -> Self {
        let mut headers = hello.headers;
        headers.retain(|key, _| !key.starts_with(RESERVED_HEADERS));
        if headers.is_empty() {
            // An emptied map keeps half a kilobyte for its next entry.
            headers = BTreeMap::new();
        }
        Self {
            greeted,
            name: hello.name,
            headers,
            held,
        }
    }
}

impl Held {
    pub(super) fn new(total: &Arc<AtomicUsize>) -> Self {
        Self {
            messages: Vec::new(),
            bytes: 0,
            total: total.clone(),
        }
    }

    /// False where it would hold too much.
    pub(super) fn push(&mut self, header: &[u8], content: Frames) -> bool {
        let frames = content.iter().map(Bytes::len).chain([header.len()]);
        let bytes = frames
            .map(|len| len.saturating_add(HELD_FRAME))
            .fold(0, usize::saturating_add);
        let own = self.bytes.saturating_add(bytes);
        let total = self.total.load(Ordering::Relaxed).saturating_add(bytes);
        if own > HELD_BYTES || total > HELD_TOTAL {
            return false;
        }
        self.bytes = own;
        self.total.store(total, Ordering::Relaxed);
        self.messages.push((header.into(), content));
        true
    }

    pub(super) fn take(&mut self) -> Vec<(Box<[u8]>, Frames)> {
        mem::take(&mut self.messages)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
