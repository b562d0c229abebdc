//! What arrives, and the queue it arrives by.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::member::Member;

/// The longest payload in bytes that is sent or taken in. ZRE's longest beacon has 54; 512
/// leaves room for later forms and fits any link without fragments. What is longer is
/// counted and dropped.
pub const MAX_DATAGRAM: usize = 512;

/// How many datagrams wait for an owner that doesn't read. Beacons repeat, so the newest
/// are dropped (and counted) when it is full: a thousand nodes starting at once fit in.
pub const QUEUE: usize = 1024;

/// A datagram that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram {
    /// The bytes, at most [`MAX_DATAGRAM`].
    pub payload: Bytes,
    /// Who sent it: the address is the one to dial, the port only says which socket it
    /// came from. Link-local IPv6 addresses carry the scope they are valid in.
    pub from: SocketAddr,
    /// The index of the interface over which it arrived.
    pub interface: u32,
    /// That interface's name.
    pub interface_name: Arc<str>,
    /// Whether that is a loopback interface: only then is a loopback address in `from`
    /// worth anything, and the sender is on this host.
    pub loopback: bool,
    /// How it was sent.
    pub cast: CastKind,
    /// Whether another beacon of this process sent it; it then came in memory.
    pub same_process: bool,
}

/// How a datagram was sent. There is no unicast: the sockets are bound to groups and
/// broadcast addresses, so that nobody off the link can reach them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CastKind {
    /// To a multicast group.
    Multicast,
    /// To a broadcast address.
    Broadcast,
}

/// The receiving side of a [`Beacon`](crate::Beacon).
///
/// Holds up to [`QUEUE`] datagrams. It doesn't keep the beacon open: once the last handle
/// is gone and the queue is read out, [`recv`](Self::recv) returns `None`. Dropping it
/// stops the receiving, and leaves the sending as it is. Needs no runtime of its own and
/// may be polled on any.
#[derive(Debug)]
pub struct Datagrams {
    queue: mpsc::Receiver<Datagram>,
    member: std::sync::Weak<Member>,
}

impl Datagrams {
    pub(crate) fn new(queue: mpsc::Receiver<Datagram>, member: &Arc<Member>) -> Self {
        Self {
            queue,
            member: Arc::downgrade(member),
        }
    }

    /// The next datagram; `None` once the beacon's last handle is dropped and the queue
    /// is empty.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Datagram> {
        self.queue.recv().await
    }

    /// The next datagram if one is here already.
    pub fn try_recv(&mut self) -> Option<Datagram> {
        self.queue.try_recv().ok()
    }

    /// As [`recv`](Self::recv), for hand-written futures.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Datagram>> {
        self.queue.poll_recv(context)
    }

    /// Whether datagrams of this process's other beacons are wanted (they are, unless
    /// said). An owner whose nodes know each other by other means spares itself N x N
    /// deliveries a second. Holds for what is sent from now on.
    pub fn set_same_process(&self, wanted: bool) {
        if let Some(member) = self.member.upgrade() {
            member.hears_process.store(wanted, Ordering::Relaxed);
        }
    }
}
