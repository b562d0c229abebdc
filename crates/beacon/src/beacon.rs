//! The handle.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::binding::Binding;
use crate::changes::Changes;
use crate::config::{Cast, CastKind, Config};
use crate::datagram::{Datagrams, MAX_DATAGRAM};
use crate::error::{OpenError, RefreshError};
use crate::holder::holder;
use crate::hub::Registration;
use crate::interface::Interface;
use crate::member::Member;
use crate::plan::Target;
use crate::stats::Stats;

/// A beacon: sends datagrams over the chosen interfaces, and delivers those that arrive to its
/// [`Datagrams`].
///
/// Cheap to clone, and usable from any thread, inside and outside of any runtime. The beacons
/// of a process share their sockets and one thread for each network namespace, which end when
/// the last handle of the last beacon is dropped. Dropping never waits.
#[derive(Clone)]
pub struct Beacon {
    registration: Arc<Registration>,
}

impl fmt::Debug for Beacon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beacon")
            .field("config", &self.registration.member().config)
            .finish_non_exhaustive()
    }
}

impl Beacon {
    /// Opens the configured sockets, in the calling thread's network namespace.
    ///
    /// Blocks while the sockets are opened, about a millisecond. Nothing is sent but the group
    /// membership reports of the system.
    ///
    /// An interface that can't be used now isn't an error, not even if it is the only one:
    /// [`problems`](Self::problems) says why, and [`refresh`](Self::refresh) tries again.
    ///
    /// # Errors
    ///
    /// An impossible configuration, an unknown interface, a port that another program holds
    /// and doesn't share. Nothing stays open then.
    pub fn open(config: Config) -> Result<(Self, Datagrams), OpenError> {
        let (member, queue) = Member::new(config.checked()?);
        let datagrams = Datagrams::new(
            queue,
            Arc::clone(&member.hears_process),
            Arc::clone(&member.held),
            Arc::clone(&member.died),
        );
        let registration = Registration::new(member).map_err(|error| match error {
            // Looked up here and not in the hub's thread, for which others wait.
            OpenError::PortInUse { addr, holder: None } => OpenError::PortInUse {
                addr,
                holder: holder(addr),
            },
            other => other,
        })?;
        let registration = Arc::new(registration);
        Ok((Self { registration }, datagrams))
    }

    /// The addresses in use, and those that were chosen but can't be used, wholly or in
    /// part: `problem` says why.
    #[must_use]
    pub fn interfaces(&self) -> Vec<Interface> {
        let bindings = self.registration.member().bindings();
        bindings.iter().map(|b| b.interface.clone()).collect()
    }

    /// Whether something can be sent and something heard, over any interface.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let bindings = self.registration.member().bindings();
        bindings.iter().any(|binding| binding.usable)
    }

    /// Why chosen interfaces can't be used now, wholly or in part: a line for each, with its
    /// name.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.registration.member().problems()
    }

    /// Sends a payload of at most [`MAX_DATAGRAM`] bytes from each interface, and hands it
    /// to the other beacons of this process that hear the same. The sender itself never
    /// hears it.
    ///
    /// Never waits, so it can be called anywhere, in `Drop` too. Returns the number of datagrams
    /// that were sent. A failure is counted in [`stats`](Self::stats) and isn't an error:
    /// interfaces come and go, and a beacon repeats itself.
    pub fn send(&self, to: Cast, payload: &[u8]) -> usize {
        let member = self.registration.member();
        if payload.len() > MAX_DATAGRAM {
            member.counters.too_long.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(length = payload.len(), "payload over {MAX_DATAGRAM} bytes");
            return 0;
        }
        let shared = Bytes::copy_from_slice(payload);
        let mut sent = 0usize;
        let bindings = member.bindings();
        for binding in bindings.iter() {
            if to == Cast::EachNetwork && is_spared(binding, &bindings) {
                continue;
            }
            for target in binding.plan.sends.iter().filter(|t| includes(to, t)) {
                if binding.send(payload, target.dest) {
                    sent = sent.saturating_add(1);
                }
                // Our own beacons hear what a neighbour could hear, even if the network just
                // failed to carry it.
                if let Some(from) = binding.source(target.dest) {
                    let key = (binding.interface.index, target.dest);
                    self.registration.send_inside(&key, &shared, from);
                }
            }
        }
        sent
    }

    /// Looks at the host's interfaces again: uses those that have come up, drops those that are
    /// gone, retries those that had a problem. Other sockets stay untouched. Call it when the
    /// system reports a change; nothing is polled here.
    ///
    /// Works from any thread of any namespace, and blocks as [`open`](Self::open) does. It isn't
    /// an error if nothing usable is left.
    ///
    /// # Errors
    ///
    /// The interfaces can't be listed; everything stays as it was.
    pub fn refresh(&self) -> Result<Changes, RefreshError> {
        self.registration.refresh()
    }

    /// Figures since the beacon was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.registration.member().stats()
    }
}

/// Whether a datagram to these addresses goes to the target.
fn includes(to: Cast, target: &Target) -> bool {
    match to {
        Cast::Groups | Cast::EachNetwork => target.cast == CastKind::Multicast,
        Cast::Broadcast => target.cast == CastKind::Broadcast,
        Cast::Group(group) => {
            target.cast == CastKind::Multicast
                && group.ip() == target.dest.ip()
                && (group.port() == 0 || group.port() == target.dest.port())
                && (scope(group) == 0 || scope(group) == scope(target.dest))
        }
    }
}

/// Whether another binding reaches all whom the multicasts of this one reach.
fn is_spared(binding: &Binding, all: &[Arc<Binding>]) -> bool {
    let interface = &binding.interface;
    all.iter().filter(|other| other.multicasts()).any(|other| {
        let other = &other.interface;
        let other_family = interface.addr.is_ipv6() && other.addr.is_ipv4();
        other_family && other.index == interface.index
            || interface.loopback && !other.loopback && !other.point_to_point
    })
}

fn scope(addr: SocketAddr) -> u32 {
    match addr {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(addr) => addr.scope_id(),
    }
}
