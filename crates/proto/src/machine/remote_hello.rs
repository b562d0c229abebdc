//! What a peer's HELLO says, and where it came from.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::input::Inbound;
use crate::hello_headers::{ELECTION_HEADER, REQUEST_HEADER, STATE_HEADER};
use crate::{Endpoint, Hello, State};

/// The part of a HELLO that the machine keeps for as long as the session lasts.
#[derive(Debug)]
pub(super) struct RemoteHello {
    /// The connection that it came over.
    pub(super) connection: u64,
    /// The sender's address. Links in memory have none.
    pub(super) from: Option<SocketAddr>,
    /// Where the peer can be dialled, if the HELLO names such an address.
    pub(super) endpoint: Option<Endpoint>,
    /// The groups that it is in: those of its HELLO, and later changes.
    pub(super) groups: BTreeSet<Arc<str>>,
    pub(super) status: u8,
    pub(super) state: State,
    /// Whether it showed its state. Only its session sets its state then.
    pub(super) shows_state: bool,
    pub(super) takes_requests: bool,
    pub(super) takes_elections: bool,
}

impl RemoteHello {
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

    /// Whether another HELLO came from another host, as far as we can see.
    pub(super) fn is_far(&self, other: &Self) -> bool {
        match (self.ip(), other.ip()) {
            (Some(this), Some(other)) => this != other,
            _ => false,
        }
    }

    /// The address that it came from.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.from.map(|from| from.ip())
    }
}

/// The endpoint of a HELLO, corrected by the address that the HELLO came from: a
/// node that listens on all addresses can't know which of them we reach, and a
/// scope means something only on the host that uses it.
fn reachable(text: &str, from: Option<SocketAddr>) -> Option<Endpoint> {
    let mut endpoint = Endpoint::from_wire(text).ok()?;
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
        // If the link has no addresses, the sender is on this host, and so are its
        // loopback and unix endpoints. A path on another host means nothing here.
        Endpoint::Ipc(_) if from.is_some_and(|from| !from.ip().is_loopback()) => None,
        Endpoint::Tcp(addr) if addr.port() == 0 || addr.ip().is_unspecified() => None,
        _ => Some(endpoint),
    }
}
