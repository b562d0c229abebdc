//! What a peer's HELLO says, and where it came from.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use uuid::Uuid;

use super::description::Description;
use super::input::Inbound;
use crate::hello_headers::{ELECTION_HEADER, REQUEST_HEADER, STATE_HEADER, UPDATE_HEADER};
use crate::{Endpoint, Hello, State, is_of_one_host};

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
    pub(super) description: Description,
    pub(super) status: u8,
    pub(super) state: State,
    /// Whether it showed its state. Only its session sets its state then.
    pub(super) shows_state: bool,
    pub(super) takes_requests: bool,
    pub(super) takes_elections: bool,
    pub(super) takes_updates: bool,
    /// Whether it came from a peer that has proved no key, and we have one.
    pub(super) is_plain: bool,
}

impl RemoteHello {
    pub(super) fn new(from: &Inbound, hello: &Hello, description: Description) -> Self {
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
            description,
            status: hello.status,
            state: shown.unwrap_or(State::Ready),
            shows_state: shown.is_some(),
            takes_requests: hello.headers.contains_key(REQUEST_HEADER),
            takes_elections: hello.headers.contains_key(ELECTION_HEADER),
            takes_updates: hello.headers.contains_key(UPDATE_HEADER),
            is_plain: from.is_plain,
        }
    }

    /// The connection that it came over, as the origin of further messages.
    pub(super) fn inbound(&self, peer: Uuid) -> Inbound {
        Inbound::new(peer, self.connection, self.from).plain(self.is_plain)
    }

    /// Whether the peer may be in that group.
    pub(super) fn may_be_in(&self, group: &str, plain_groups: &BTreeSet<String>) -> bool {
        !self.is_plain || plain_groups.contains(group)
    }

    /// Whether another HELLO came from another host, as far as we can see.
    pub(super) fn is_far(&self, other: &Self) -> bool {
        match (self.ip(), other.ip()) {
            (Some(this), Some(other)) => this != other,
            _ => false,
        }
    }

    /// The source of the HELLO and the address of that endpoint, if a dial there could
    /// reach a host that has nothing to do with the source.
    pub(super) fn third_party(&self, endpoint: &Endpoint) -> Option<(IpAddr, IpAddr)> {
        let from = self.ip()?.to_canonical();
        let target = endpoint.ip()?.to_canonical();
        (!from.is_loopback() && target != from).then_some((from, target))
    }

    /// Where the peer should be if that endpoint is of a third party: at the source of
    /// the HELLO, with the same port.
    pub(super) fn source_of_third_party(&self, endpoint: &Endpoint) -> Option<Endpoint> {
        self.third_party(endpoint)?;
        Some(at_port(self.from?, endpoint.port()?))
    }

    /// The address that it came from.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.from.map(|from| from.ip())
    }
}

/// The endpoint of a HELLO, corrected by the address that the HELLO came from: a
/// node that listens on all addresses can't know which of them we reach, and a
/// scope means something only on the host that uses it.
///
/// A HELLO from another host can't make us dial our own services, or everybody: in
/// place of such an address, and of a name, stands the one that it came from.
fn reachable(text: &str, from: Option<SocketAddr>) -> Option<Endpoint> {
    let endpoint = Endpoint::from_wire(text).ok()?.canonical();
    let of_one_host = endpoint.ip().is_none_or(is_of_one_host);
    let Some(from) = from else {
        // If the link has no addresses, the sender is on this host, and so are its
        // loopback and unix endpoints.
        return of_one_host.then_some(endpoint);
    };
    let far = !from.ip().to_canonical().is_loopback();
    match endpoint {
        // A path on another host means nothing here.
        Endpoint::Ipc(_) => (!far).then_some(endpoint),
        Endpoint::Host { port, .. } if far => Some(at_port(from, port)),
        Endpoint::Host { .. } => Some(endpoint),
        Endpoint::Tcp(addr) => {
            if !of_one_host || (far && !endpoint.is_of_another_host()) {
                return Some(at_port(from, addr.port()));
            }
            let scope = match from {
                SocketAddr::V6(from) => from.scope_id(),
                SocketAddr::V4(_) => 0,
            };
            Some(endpoint.with_scope(scope))
        }
    }
}

fn at_port(mut from: SocketAddr, port: u16) -> Endpoint {
    from.set_port(port);
    Endpoint::from(from).canonical()
}
