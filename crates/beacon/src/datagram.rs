//! What arrives, and the queue it arrives by.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::config::CastKind;
use crate::held::Held;

/// The longest payload that is sent or accepted, in bytes. ZRE's longest beacon has 54; 512
/// leaves room for later forms and fits any link without fragments. A longer datagram is
/// counted and dropped.
pub const MAX_DATAGRAM: usize = 512;

/// How many datagrams the queue to the owner holds; a thousand nodes that start at once fit
/// in. When it is full, the newest are dropped and counted, because beacons repeat.
pub const QUEUE: usize = 1024;

/// A datagram that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram {
    /// The bytes, at most [`MAX_DATAGRAM`].
    pub payload: Bytes,
    /// The sender. Its address is the one to dial; its port is that of the sending socket
    /// only. A link-local IPv6 address carries the scope in which it is valid.
    pub from: SocketAddr,
    /// The index of the interface on which it arrived.
    pub interface: u32,
    /// That interface's name.
    pub interface_name: Arc<str>,
    /// Whether that is a loopback interface. Only then does a loopback address in `from` mean
    /// anything, and the sender is on this host.
    pub loopback: bool,
    /// How it was sent.
    pub cast: CastKind,
    /// Whether another beacon of this process sent it, in memory.
    pub same_process: bool,
}

/// The receiving side of a [`Beacon`](crate::Beacon).
///
/// Holds up to [`QUEUE`] datagrams. It doesn't keep the beacon open: once the last handle
/// is dropped and the queue is empty, [`recv`](Self::recv) returns `None`. Dropping it stops
/// receiving and leaves sending as it is. It can be polled on any runtime.
#[derive(Debug)]
pub struct Datagrams {
    queue: mpsc::Receiver<Datagram>,
    same_process: Arc<AtomicBool>,
    held: Arc<Held>,
    /// Notified when the thread that fills the queue has panicked.
    died: Arc<Notify>,
}

impl Datagrams {
    pub(crate) fn new(
        queue: mpsc::Receiver<Datagram>,
        same_process: Arc<AtomicBool>,
        held: Arc<Held>,
        died: Arc<Notify>,
    ) -> Self {
        Self {
            queue,
            same_process,
            held,
            died,
        }
    }

    /// The next datagram; `None` once the queue is empty and the beacon's last handle is
    /// dropped, or its thread has panicked.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Datagram> {
        let mut died = pin!(self.died.notified());
        poll_fn(|context| {
            if let Poll::Ready(next) = self.queue.poll_recv(context) {
                return Poll::Ready(next);
            }
            ready!(died.as_mut().poll(context));
            // For the next call.
            self.died.notify_one();
            Poll::Ready(None)
        })
        .await
    }

    /// The next datagram, if one is in the queue.
    pub fn try_recv(&mut self) -> Option<Datagram> {
        self.queue.try_recv().ok()
    }

    /// As [`recv`](Self::recv), for hand-written futures, but it doesn't notice a panic.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Datagram>> {
        self.queue.poll_recv(context)
    }

    /// Whether to receive the datagrams of this process's other beacons, from now on. Default:
    /// true. N nodes of one process that know each other by other means save N x N
    /// deliveries a second by false.
    pub fn set_same_process(&self, wanted: bool) {
        self.same_process.store(wanted, Ordering::Relaxed);
    }

    /// Whether datagrams like this one are familiar from now on: the same bytes by the same
    /// cast, from the same sender over the same interface. Familiar datagrams don't enter the
    /// queue and don't wake its reader, which saves most of what repeated beacons cost. They
    /// wait for [`take_familiar`](Self::take_familiar), of equal ones one.
    ///
    /// The first 8,192 can be familiar. Those of other beacons of this process never are.
    pub fn set_familiar(&self, datagram: &Datagram, familiar: bool) {
        if !datagram.same_process {
            self.held.set_familiar(datagram, familiar);
        }
    }

    /// Takes the familiar datagrams that have arrived since the last call.
    #[must_use]
    pub fn take_familiar(&self) -> Vec<Datagram> {
        self.held.take()
    }

    /// From now on nothing is familiar. Familiar datagrams that wait are dropped.
    pub fn forget_familiar(&self) {
        self.held.clear();
    }
}
