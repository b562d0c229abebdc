//! Whispers and shouts: from the caller straight into the queues to peers.

use std::time::Duration;

use tokio::time::Instant;
use zre_proto::{shout_header, whisper_header};
use zre_session::TrySendError;

use super::Node;
use crate::{Message, Peer, PeerRef, SendError};

/// What happens when the queue to a peer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendPolicy {
    /// Wait until there is room, but no longer than that; then
    /// [`SendError::Full`]. The bound keeps two nodes whose queues are both
    /// full from waiting for each other for ever.
    Wait(Duration),
    /// [`SendError::Full`] at once.
    Reject,
    /// Give the peer up: its session ends, and it may come back by itself.
    Disconnect,
}

impl Default for SendPolicy {
    /// Waits for up to 10 s.
    fn default() -> Self {
        Self::Wait(Duration::from_secs(10))
    }
}

/// What became of a shout.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Shouted {
    /// For how many members the message was accepted.
    pub accepted: usize,
    /// Those whose queues had no room in time.
    pub full: Vec<Peer>,
    /// Those who went meanwhile.
    pub gone: Vec<Peer>,
}

impl Node {
    /// Sends a message to one peer.
    ///
    /// `Ok` says that the message is in the queue to the peer, and will arrive
    /// in order unless the peer exits first: `Event::Exit` then counts what may
    /// have been lost. Where the queue is full, the node's [`SendPolicy`]
    /// decides.
    ///
    /// # Errors
    /// The peer isn't here, isn't the only one of that name, is gone, or can't
    /// take the message. It then went nowhere.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the message wasn't sent.
    pub async fn whisper(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        self.whisper_with(to, message, self.shared.policy).await
    }

    /// As [`whisper`](Self::whisper), with a policy for this message alone.
    ///
    /// # Errors
    /// As [`whisper`](Self::whisper).
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the message wasn't sent.
    pub async fn whisper_with(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
        policy: SendPolicy,
    ) -> Result<(), SendError> {
        let peer = self.find(to)?;
        let message = message.into();
        let mut header = whisper_header(0);
        match send(&peer, &mut header, &message) {
            Err(SendError::Full) => {
                insist_until(&peer, &mut header, &message, policy, deadline(policy)).await
            }
            other => other,
        }
    }

    /// As [`whisper`](Self::whisper), but never waits: a full queue is
    /// [`SendError::Full`], whatever the policy.
    ///
    /// # Errors
    /// As [`whisper`](Self::whisper).
    pub fn try_whisper(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        let peer = self.find(to)?;
        send(&peer, &mut whisper_header(0), &message.into())
    }

    /// Sends a message to every peer in a group, whether we are in it or not.
    ///
    /// The message is queued for all who have room first; only then are the
    /// others waited for, so that nobody waits for a slow one.
    ///
    /// # Errors
    /// A group name that can't be, a message that is too large for anybody, or
    /// a node that has stopped. What becomes of each member is in the result.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, those members who had no
    /// room don't get the message.
    pub async fn shout(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<Shouted, SendError> {
        self.shout_with(group, message, self.shared.policy).await
    }

    /// As [`shout`](Self::shout), with a policy for this message alone.
    ///
    /// # Errors
    /// As [`shout`](Self::shout).
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, those members who had no
    /// room don't get the message.
    pub async fn shout_with(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
        policy: SendPolicy,
    ) -> Result<Shouted, SendError> {
        let message = message.into();
        let (mut header, mut shouted) = self.shout_to_ready(group.as_ref(), &message)?;
        if !shouted.full.is_empty() && policy != SendPolicy::Reject {
            // One patience for all of them.
            let deadline = deadline(policy);
            for peer in std::mem::take(&mut shouted.full) {
                match insist_until(&peer, &mut header, &message, policy, deadline).await {
                    Ok(()) => shouted.accepted += 1,
                    Err(SendError::Full) => shouted.full.push(peer),
                    Err(_) => shouted.gone.push(peer),
                }
            }
        }
        Ok(shouted)
    }

    /// As [`shout`](Self::shout), but never waits: members whose queues have no
    /// room don't get the message and are named in the result.
    ///
    /// # Errors
    /// As [`shout`](Self::shout).
    pub fn try_shout(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<Shouted, SendError> {
        let (_, shouted) = self.shout_to_ready(group.as_ref(), &message.into())?;
        Ok(shouted)
    }

    fn shout_to_ready(
        &self,
        group: &str,
        message: &Message,
    ) -> Result<(zre_proto::Header, Shouted), SendError> {
        zre_proto::Limits::default().validate_group(group)?;
        let mut header = shout_header(group, 0);
        let mut shouted = Shouted::default();
        let directory = self.shared.view.read();
        if directory.stopped {
            return Err(SendError::Stopped);
        }
        for peer in directory
            .groups
            .get(group)
            .into_iter()
            .flatten()
            .map(|(_, peer)| peer)
        {
            match send(peer, &mut header, message) {
                Ok(()) => shouted.accepted += 1,
                Err(SendError::Full) => shouted.full.push(peer.clone()),
                Err(SendError::Gone) => shouted.gone.push(peer.clone()),
                Err(error) => return Err(error),
            }
        }
        Ok((header, shouted))
    }
}

fn send(peer: &Peer, header: &mut [u8], message: &Message) -> Result<(), SendError> {
    let outlet = peer.outlet();
    outlet
        .send_data(header, message.frames())
        .map_err(|error| match error {
            TrySendError::Full => {
                outlet.gauge().press(peer, bytes(header, message));
                SendError::Full
            }
            TrySendError::Closed => SendError::Gone,
            TrySendError::TooLarge { what, size, limit } => {
                SendError::TooLarge { what, size, limit }
            }
        })
}

/// What a message takes of a queue, as [`Mailbox::writable`] counts it.
///
/// [`Mailbox::writable`]: zre_session::Mailbox::writable
fn bytes(header: &[u8], message: &Message) -> usize {
    let further = message.frames().len().saturating_sub(1);
    header
        .len()
        .saturating_add(message.len())
        .saturating_add(further.saturating_mul(64))
}

/// Until when a full queue is waited for.
fn deadline(policy: SendPolicy) -> Instant {
    let now = Instant::now();
    match policy {
        // Longer than a clock can tell is for ever.
        SendPolicy::Wait(patience) => now.checked_add(patience).unwrap_or(now + FOR_EVER),
        SendPolicy::Reject | SendPolicy::Disconnect => now,
    }
}

/// A hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What the policy makes of a full queue.
async fn insist_until(
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
            peer.outlet().close(Duration::ZERO);
            return Err(SendError::Gone);
        }
    }
    let bytes = bytes(header, message);
    loop {
        match tokio::time::timeout_at(deadline, peer.outlet().writable(bytes)).await {
            Err(_) => return Err(SendError::Full),
            Ok(Err(_)) => return Err(SendError::Gone),
            Ok(Ok(())) => match send(peer, header, message) {
                // Another sender was faster.
                Err(SendError::Full) => {}
                other => return other,
            },
        }
    }
}
