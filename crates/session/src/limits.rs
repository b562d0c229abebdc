//! The bounds of what a node's links hold and wait for.

use std::time::Duration;

use bytes::Bytes;

use crate::TrySendError;
use crate::budget::Budget;
use crate::send_queue::Class;

/// The bounds of what a node's links hold and wait for.
///
/// If the address space of the process is limited (`ulimit -v`, on Linux), the two bounds
/// on all bytes are an eighth of what is free when the links open at most: beyond its
/// limit, the process would be aborted.
///
/// A message "costs" the bytes of its frames plus 64 for each frame, about what
/// keeping it takes: that bounds empty messages, too. Every bound on the bytes
/// of queued messages is a bound on this cost.
///
/// The crate's documentation lists the limits that the zeromq engine can't keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkLimits {
    /// The largest frame that is sent or received, in bytes. Default 64 MiB: a
    /// photograph or a model fits, and a lie about a length costs little,
    /// because memory is taken as bytes arrive.
    pub frame_bytes: usize,
    /// The largest message, all its frames together, in bytes. Default 64 MiB.
    /// Less than `frame_bytes` makes no sense.
    pub message_bytes: usize,
    /// The largest number of frames in a message, the first one included, which is the
    /// protocol's own. Default 1,025: 1,024 frames of an application. A frame without
    /// bytes still takes a header and a place in a list.
    pub parts: usize,
    /// How long a connection may take for its handshake. Default 5 s: as long
    /// as a ZRE node waits for the answer to its greeting. A process of our user has six
    /// times as long over ipc: hundreds of them may be starting at once.
    pub handshake_time: Duration,
    /// The largest number of accepted connections that are in their handshake;
    /// one more replaces the oldest. Default 256.
    pub half_open: usize,
    /// The largest number of connections that the inbox holds, over tcp, over ipc and in
    /// memory each. The last eighth is for addresses that have less than a 64th of them.
    /// Default 4,096: well over the thousand peers that a segment may have.
    pub connections: usize,
    /// The largest number of them from one ip address. Default 2,048: a host
    /// that runs a thousand nodes is a test bench, and still welcome.
    pub connections_per_addr: usize,
    /// The bound of the queue to one peer, in bytes. Default 16 MiB: about
    /// 130 ms of a saturated gigabit link. A larger message is accepted while
    /// nothing else is queued.
    pub queue_bytes_per_peer: usize,
    /// The bound of all these queues together, in bytes. Default 256 MiB.
    /// Nothing goes beyond it: it bounds the size of a message, too. A queue that
    /// holds something takes more only while half of the bound is free, or while it holds
    /// at most a share of what is free: of `n` mailboxes each has `1/(2 n)` of it.
    /// Therefore peers that don't read leave room for those that do. One mailbox alone
    /// holds half of the bound at most, or one message.
    pub queue_bytes_total: usize,
    /// How far control messages may go beyond the two bounds above, in bytes,
    /// for each peer. Default 64 KiB: hundreds of small ones.
    pub control_reserve_bytes: usize,
    /// How much of one connection may lie in the inbox, unread and in batches
    /// that are still held, in bytes. Default 1 MiB: more than a socket's
    /// buffers hold, so that it doesn't limit throughput. A larger message is
    /// accepted while nothing of the connection is held.
    pub inbox_bytes_per_connection: usize,
    /// How much of all connections over sockets may lie in the inbox, in bytes.
    /// Default 256 MiB. (Messages in memory count in their sender's bounds
    /// instead.) The native engine allows the same amount again for messages
    /// that haven't come whole yet, and closes the connection that goes beyond
    /// it.
    pub inbox_bytes_total: usize,
    /// How long connecting may take for each address that is tried, the
    /// handshake included. Default 5 s.
    pub connect_time: Duration,
    /// How long a mailbox whose last handle was dropped continues to send the
    /// messages that it had accepted. Default 1 s.
    pub linger: Duration,
}

impl Default for LinkLimits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            frame_bytes: 64 * MIB,
            message_bytes: 64 * MIB,
            parts: 1025,
            handshake_time: Duration::from_secs(5),
            half_open: 256,
            connections: 4096,
            connections_per_addr: 2048,
            queue_bytes_per_peer: 16 * MIB,
            queue_bytes_total: 256 * MIB,
            control_reserve_bytes: 64 * 1024,
            inbox_bytes_per_connection: MIB,
            inbox_bytes_total: 256 * MIB,
            connect_time: Duration::from_secs(5),
            linger: Duration::from_secs(1),
        }
    }
}

/// What keeping a frame takes beyond its bytes: list entry, reference count,
/// header.
pub(crate) const FRAME_OVERHEAD: usize = 64;

impl LinkLimits {
    /// Takes the cost of one more message from the budget, if its queue, which holds
    /// `held`, may have it.
    #[inline]
    pub(crate) fn admit(&self, budget: &Budget, class: Class, cost: usize, held: usize) -> bool {
        match class {
            Class::Data => self.fits(cost, held, 0) && budget.take(cost, held),
            Class::Control => {
                let reserve = self.control_reserve_bytes;
                self.fits(cost, held, reserve) && budget.take_reserved(cost, reserve)
            }
        }
    }

    /// Whether [`admit`](Self::admit) would accept data now.
    pub(crate) fn has_room(&self, budget: &Budget, cost: usize, held: usize) -> bool {
        self.fits(cost, held, 0) && budget.has(cost, held)
    }

    /// A message that is larger than the bound fits an empty queue.
    #[inline]
    fn fits(&self, cost: usize, held: usize, reserve: usize) -> bool {
        let bound = self.queue_bytes_per_peer.saturating_add(reserve);
        held == 0 || held.saturating_add(cost) <= bound
    }

    /// What a message of these frames costs against the bounds.
    #[inline]
    pub(crate) fn cost(head: &[u8], body: &[Bytes]) -> usize {
        body.iter()
            .fold(head.len(), |sum, frame| sum.saturating_add(frame.len()))
            .saturating_add(body.len().saturating_add(1).saturating_mul(FRAME_OVERHEAD))
    }

    /// What it costs, if it can ever be sent.
    ///
    /// # Errors
    /// [`TrySendError::TooLarge`] names the limit that it passes.
    #[inline]
    pub(crate) fn cost_to_send(&self, head: &[u8], body: &[Bytes]) -> Result<usize, TrySendError> {
        let too_large = |what, size, limit| Err(TrySendError::TooLarge { what, size, limit });
        let parts = body.len().saturating_add(1);
        if parts > self.parts {
            // As whoever sends them counts.
            let limit = self.parts.saturating_sub(1);
            return too_large("the number of frames", body.len(), limit);
        }
        let largest = body.iter().map(Bytes::len).fold(head.len(), usize::max);
        if largest > self.frame_bytes {
            return too_large("a frame", largest, self.frame_bytes);
        }
        let bytes = body
            .iter()
            .fold(head.len(), |sum, frame| sum.saturating_add(frame.len()));
        if bytes > self.message_bytes {
            return too_large("the message", bytes, self.message_bytes);
        }
        let cost = Self::cost(head, body);
        if cost > self.queue_bytes_total {
            return too_large("the message", cost, self.queue_bytes_total);
        }
        Ok(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_of_a_message_includes_its_value() {
        let limits = LinkLimits {
            parts: 3,
            frame_bytes: 100,
            message_bytes: 120,
            queue_bytes_total: 120 + 3 * FRAME_OVERHEAD,
            ..LinkLimits::default()
        };
        let frames = |sizes: &[usize]| -> Vec<Bytes> {
            sizes.iter().map(|size| vec![0; *size].into()).collect()
        };
        let refused = |limits: &LinkLimits, head, body: &[usize]| match limits
            .cost_to_send(&[0; 120][..head], &frames(body))
        {
            Ok(_) => None,
            Err(TrySendError::TooLarge { what, size, limit }) => Some((what, size, limit)),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(refused(&limits, 10, &[100, 10]), None);
        assert_eq!(refused(&limits, 100, &[0, 20]), None);
        assert_eq!(
            refused(&limits, 0, &[0, 0, 0]),
            Some(("the number of frames", 3, 2))
        );
        assert_eq!(refused(&limits, 0, &[101]), Some(("a frame", 101, 100)));
        assert_eq!(refused(&limits, 101, &[]), Some(("a frame", 101, 100)));
        assert_eq!(
            refused(&limits, 11, &[100, 10]),
            Some(("the message", 121, 120))
        );
        let tight = LinkLimits {
            queue_bytes_total: 119 + 3 * FRAME_OVERHEAD,
            ..limits
        };
        let cost = 120 + 3 * FRAME_OVERHEAD;
        assert_eq!(
            refused(&tight, 10, &[100, 10]),
            Some(("the message", cost, cost - 1))
        );
    }
}
