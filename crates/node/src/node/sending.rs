//! Whispers and shouts: from the caller straight into the queues to peers.

use zre_proto::{shout_header, whisper_header};

use super::Node;
use crate::delivery::{deadline, deliver, insist_until, try_deliver};
use crate::{Message, Peer, PeerRef, SendError, SendPolicy};

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
        self.whisper_with(to, message, self.inner.policy).await
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
        self.shout_with(group, message, self.inner.policy).await
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
        zre_proto::MessageLimits::default().validate_group(group)?;
        let mut header = shout_header(group, 0);
        let mut shouted = Shouted::default();
        let directory = self.inner.shared.read();
        if self.inner.shared.is_stopped() {
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
