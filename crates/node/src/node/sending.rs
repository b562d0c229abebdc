//! Whispers and shouts: from the caller straight into the queues to peers.

use std::time::Duration;

use zre_proto::{shout_header, whisper_header};

use super::Node;
use crate::delivery::{deadline, deliver, insist_until, try_deliver};
use crate::{Message, Peer, PeerRef, SendError};

/// What happens when the queue to a peer is full.
///
/// A node has one ([`Builder::send_policy`](crate::Builder::send_policy)), a message
/// may have another.
///
/// ```no_run
/// use zre::SendPolicy;
///
/// # async fn run(node: zre::Node) -> Result<(), Box<dyn std::error::Error>> {
/// // Old pictures are worth nothing: whoever has no room goes without this one.
/// let picture = vec![0; 1 << 20];
/// let shouted = node.shout_with("screens", picture, SendPolicy::Reject).await?;
/// for peer in shouted.full {
///     println!("{peer} doesn't keep up");
/// }
/// # Ok(())
/// # }
/// ```
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
        deliver(&peer, &mut header, &message, policy).await
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
        try_deliver(&peer, &mut whisper_header(0), &message.into())
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
                    Ok(()) => shouted.accepted = shouted.accepted.saturating_add(1),
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
        if self.shared.view.is_stopped() {
            return Err(SendError::Stopped);
        }
        for peer in directory
            .groups
            .get(group)
            .into_iter()
            .flatten()
            .map(|(_, peer)| peer)
        {
            match try_deliver(peer, &mut header, message) {
                Ok(()) => shouted.accepted = shouted.accepted.saturating_add(1),
                Err(SendError::Full) => shouted.full.push(peer.clone()),
                Err(SendError::Gone) => shouted.gone.push(peer.clone()),
                Err(error) => return Err(error),
            }
        }
        Ok((header, shouted))
    }
}
