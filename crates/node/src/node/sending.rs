//! Whispers and shouts: the caller puts them into the queues to peers itself.

use zre_proto::{shout_header, whisper_header};

use super::Node;
use crate::delivery::{deadline, deliver, insist_until, try_deliver};
use crate::{Message, Peer, PeerRef, SendError, SendPolicy};

/// The outcome of a shout.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Shouted {
    /// How many members' queues accepted the message.
    pub accepted: usize,
    /// The members whose queues had no room in time.
    pub full: Vec<Peer>,
    /// The members that went meanwhile.
    pub gone: Vec<Peer>,
}

impl Node {
    /// Sends a message to one peer.
    ///
    /// `Ok` means that the message is in the queue to the peer, and will arrive in
    /// order unless the peer exits first: `Event::Exit` then counts the messages that
    /// may have been lost. If the queue is full, the node's [`SendPolicy`] decides.
    ///
    /// A message without frames reaches peers of other implementations as one empty
    /// frame: some of them can't bear it otherwise.
    ///
    /// # Errors
    /// The peer isn't here, isn't the only one of that name, has gone, or the message
    /// can't be accepted. Nothing was sent.
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

    /// Like [`whisper`](Self::whisper), with a policy for this message only.
    ///
    /// # Errors
    /// The same as for [`whisper`](Self::whisper).
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

    /// Like [`whisper`](Self::whisper), but never waits: a full queue is
    /// [`SendError::Full`], whatever the policy.
    ///
    /// # Errors
    /// The same as for [`whisper`](Self::whisper).
    pub fn try_whisper(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        let peer = self.find(to)?;
        try_deliver(&peer, &mut whisper_header(0), &message.into())
    }

    /// Sends a message to every peer in a group; this node needn't be in it.
    ///
    /// The message first goes into every queue that has room; only then does the call
    /// wait for the others, so that no member waits for a slow one. A message without
    /// frames is sent as by [`whisper`](Self::whisper).
    ///
    /// # Errors
    /// The group name is invalid, the message exceeds a limit, or the node has stopped.
    /// The result says what became of each member.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the members whose queues had no
    /// room don't get the message.
    pub async fn shout(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<Shouted, SendError> {
        self.shout_with(group, message, self.inner.policy).await
    }

    /// Like [`shout`](Self::shout), with a policy for this message only.
    ///
    /// # Errors
    /// The same as for [`shout`](Self::shout).
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the members whose queues had no
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
            // One deadline for all of them.
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

    /// Like [`shout`](Self::shout), but never waits: members whose queues have no room
    /// don't get the message and are listed in the result.
    ///
    /// # Errors
    /// The same as for [`shout`](Self::shout).
    pub fn try_shout(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<Shouted, SendError> {
        let (_, shouted) = self.shout_to_ready(group.as_ref(), &message.into())?;
        Ok(shouted)
    }

    /// Sends a message that is for a group to one member of it, as a shout would: for
    /// a program that serves each member at its own pace. Where its queue is full, the
    /// node's [`SendPolicy`] decides.
    ///
    /// # Errors
    /// As [`whisper`](Self::whisper), and a group name that can't be.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the message isn't sent.
    pub async fn shout_to(
        &self,
        to: impl Into<PeerRef>,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        let group = group.as_ref();
        zre_proto::MessageLimits::default().validate_group(group)?;
        let peer = self.find(to)?;
        let mut header = shout_header(group, 0);
        deliver(&peer, &mut header, &message.into(), self.inner.policy).await
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
        for peer in directory.groups.get(group).into_iter().flatten() {
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
