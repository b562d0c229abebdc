//! The handle.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::changes::Changes;
use crate::config::{Cast, Config};
use crate::datagram::{CastKind, Datagrams, MAX_DATAGRAM};
use crate::error::{OpenError, RefreshError};
use crate::holder::holder;
use crate::hub::Seat;
use crate::interface::Interface;
use crate::member::{Member, Stats};
use crate::plan::Target;

/// A beacon: sends datagrams over the chosen interfaces, and keeps its
/// [`Datagrams`] supplied.
///
/// A cheap clone, usable from any thread, inside and outside any runtime. The beacons of
/// a process share their sockets and one thread for each network namespace; when the last
/// handle of the last beacon is dropped, these end. Dropping never waits.
#[derive(Clone)]
pub struct Beacon {
    seat: Arc<Seat>,
}

impl fmt::Debug for Beacon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beacon")
            .field("config", &self.seat.member().config)
            .finish_non_exhaustive()
    }
}

impl Beacon {
    /// Opens what the configuration asks for, in the calling thread's network namespace.
    ///
    /// Blocks while the sockets are opened: a matter of a millisecond, with no I/O on the
    /// network but the group membership reports that the system sends on its own.
    ///
    /// One interface of several that can't be used isn't an error: see
    /// [`interfaces`](Self::interfaces).
    ///
    /// # Errors
    ///
    /// A configuration that makes no sense, an unknown interface, no usable interface, a
    /// port that another program holds for itself. Nothing stays open then.
    pub fn open(config: Config) -> Result<(Self, Datagrams), OpenError> {
        let (member, queue) = Member::new(config.checked()?);
        let datagrams = Datagrams::new(queue, &member);
        let seat = Seat::take(member).map_err(|error| match error {
            // Looked up here and not in the hub, whose thread others wait for.
            OpenError::PortInUse { addr, holder: None } => OpenError::PortInUse {
                addr,
                holder: holder(addr),
            },
            other => other,
        })?;
        let seat = Arc::new(seat);
        Ok((Self { seat }, datagrams))
    }

    /// The addresses in use, and those that were chosen but can't be used, wholly or in
    /// part: `problem` says why.
    #[must_use]
    pub fn interfaces(&self) -> Vec<Interface> {
        let lanes = self.seat.member().lanes();
        lanes.iter().map(|lane| lane.interface.clone()).collect()
    }

    /// Sends a payload of at most [`MAX_DATAGRAM`] bytes from each interface, and hands it
    /// to the other beacons of this process that hear the same. The sender itself never
    /// hears it.
    ///
    /// Never waits, so that it may be called anywhere, in `Drop` too. Returns the number of
    /// datagrams that left; what didn't is in the [`stats`](Self::stats), and not an
    /// error: interfaces come and go, and a beacon repeats itself.
    pub fn send(&self, to: Cast, payload: &[u8]) -> usize {
        let member = self.seat.member();
        if payload.len() > MAX_DATAGRAM {
            member.counters.too_long.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(length = payload.len(), "payload over {MAX_DATAGRAM} bytes");
            return 0;
        }
        let shared = Bytes::copy_from_slice(payload);
        let mut left = 0usize;
        for lane in member.lanes().iter() {
            for target in lane.plan.sends.iter().filter(|t| meets(to, t)) {
                if lane.send(payload, target.dest) {
                    left = left.saturating_add(1);
                }
                // What a neighbour could never hear, our own don't either. What failed
                // just now they do: they are nearer than the cable.
                if let Some(from) = lane.source(target.dest) {
                    let key = (lane.interface.index, target.dest);
                    self.seat.send_inside(&key, &shared, from);
                }
            }
        }
        left
    }

    /// Looks at the host's interfaces anew: takes into use what has come up, drops what has
    /// gone, tries again what had a problem. Sockets that are as they should be stay
    /// untouched. Call it when the system reports a change; nothing is polled here.
    ///
    /// Works from any thread, whatever namespace that is in, and blocks as
    /// [`open`](Self::open) does. It isn't an error when nothing usable is left: the
    /// beacon waits for a better time.
    ///
    /// # Errors
    ///
    /// The interfaces can't be listed; everything stays as it was.
    pub fn refresh(&self) -> Result<Changes, RefreshError> {
        self.seat.refresh()
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.seat.member().stats()
    }
}

/// Whether a target is among those meant.
fn meets(to: Cast, target: &Target) -> bool {
    match to {
        Cast::Groups => target.cast == CastKind::Multicast,
        Cast::Broadcast => target.cast == CastKind::Broadcast,
        Cast::Group(group) => {
            target.cast == CastKind::Multicast
                && group.ip() == target.dest.ip()
                && (group.port() == 0 || group.port() == target.dest.port())
                && (scope(group) == 0 || scope(group) == scope(target.dest))
        }
    }
}

fn scope(addr: SocketAddr) -> u32 {
    match addr {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(addr) => addr.scope_id(),
    }
}
