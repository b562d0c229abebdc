//! Puts messages of the application into the queue to a peer.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use zre_session::TrySendError;

use crate::later::in_time;
use crate::{Message, Peer, SendError, SendPolicy};

/// The content of a message without frames, to a peer that isn't known to be of this
/// library.
static NO_CONTENT: [Bytes; 1] = [Bytes::new()];

/// Queues it, or does what the policy says about a full queue. Cancel-safe: the
/// message wasn't sent.
pub(crate) async fn deliver(
    peer: &Peer,
    header: &mut [u8],
    message: &Message,
    policy: SendPolicy,
) -> Result<(), SendError> {
    match try_deliver(peer, header, message) {
        Err(SendError::Full) => insist_until(peer, header, message, policy, deadline(policy)).await,
        other => other,
    }
}

/// Queues it if there is room.
pub(crate) fn try_deliver(
    peer: &Peer,
    header: &mut [u8],
    message: &Message,
) -> Result<(), SendError> {
    let sender = peer.sender();
    let frames = match message.frames() {
        // It would end pyre's thread and zyre.js's process.
        [] if !peer.takes_requests() => &NO_CONTENT,
        frames => frames,
    };
    match sender.send_data(header, frames) {
        Ok(()) => {
            sender.meters().sent(message);
            Ok(())
        }
        Err(TrySendError::Full) => {
            sender.meters().refused();
            sender.signal().report(bytes(header, message));
            Err(SendError::Full)
        }
        Err(TrySendError::Closed) => Err(SendError::Gone),
        Err(TrySendError::TooLarge { what, size, limit }) => {
            Err(SendError::TooLarge { what, size, limit })
        }
    }
}

/// The bytes that a message takes in a queue, as [`Mailbox::writable`] counts them.
///
/// [`Mailbox::writable`]: zre_session::Mailbox::writable
fn bytes(header: &[u8], message: &Message) -> usize {
    let further = message.frames().len().saturating_sub(1);
    header
        .len()
        .saturating_add(message.len())
        .saturating_add(further.saturating_mul(64))
}

/// How long to wait for room in a full queue.
pub(crate) fn deadline(policy: SendPolicy) -> Instant {
    match policy {
        SendPolicy::Wait(patience) => in_time(patience),
        SendPolicy::Reject | SendPolicy::Disconnect => Instant::now(),
    }
}

/// Does what the policy says about a full queue.
pub(crate) async fn insist_until(
    peer: &Peer,
    header: &mut [u8],
    message: &Message,
    policy: SendPolicy,
    deadline: Instant,
) -> Result<(), SendError> {
    match policy {
        SendPolicy::Wait(_) => {}
        SendPolicy::Reject => return Err(SendError::Full),
        SendPolicy::Disconnect => {
            peer.sender().close(Duration::ZERO);
            return Err(SendError::Gone);
        }
    }
    let bytes = bytes(header, message);
    loop {
        match tokio::time::timeout_at(deadline, peer.sender().writable(bytes)).await {
            Err(_) => return Err(SendError::Full),
            Ok(Err(_)) => return Err(SendError::Gone),
            Ok(Ok(())) => match try_deliver(peer, header, message) {
                // Another sender was faster.
                Err(SendError::Full) => {}
                other => return other,
            },
        }
    }
}
