use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::hub::HubMessage;
use super::message::{KEY, VALUE};

/// A node's share in the gossip: tuples of a key and a value that every node
/// hears which gossips, directly or through others, C Zyre's and czmq's included.
///
/// A node's own tuple (its UUID and where to dial it) is published by itself.
/// Others mean nothing to this library, but for those whose key is a UUID: the
/// node that they name is dialled. [`Node::gossip`](crate::Node::gossip) gives it
/// out; a cheap clone, which doesn't keep the node alive.
#[derive(Clone, Debug)]
pub struct Gossip {
    uuid: Uuid,
    reports: mpsc::Sender<HubMessage>,
}

/// Why gossip wasn't changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GossipError {
    /// The key is empty, or longer than the wire takes.
    #[error("a key of {0} bytes: it has to have 1 to 255")]
    Key(usize),
    /// The value is longer than a node keeps.
    #[error("a value of {0} bytes: 1024 at the most are kept")]
    Value(usize),
    /// A time to live that the wire has no number for.
    #[error("a time to live of {0:?}: it has to be at least 1 ms and at most an hour")]
    Ttl(Duration),
    /// The key is our own UUID.
    #[error("the key is this node's own: its endpoint is set by Builder::advertise")]
    Own,
    /// As many tuples are known as are kept.
    #[error("no room for another tuple: unpublish one")]
    Full,
    /// The node was shut down.
    #[error("the node has stopped")]
    Stopped,
}

impl Gossip {
    pub(super) fn new(uuid: Uuid, reports: mpsc::Sender<HubMessage>) -> Self {
        Self { uuid, reports }
    }

    /// A node said goodbye: its tuple is void. A word that finds no room is
    /// forgone; the tuple then stays until it runs out.
    pub(crate) fn forget(&self, uuid: Uuid) {
        let _ = self.reports.try_send(HubMessage::Forget(uuid));
    }

    /// Publishes a tuple, in place of any that has the key, and tells all
    /// neighbours. It can't be changed by them from then on.
    ///
    /// With a time to live, to the millisecond, it holds for as long and is
    /// then forgotten everywhere. Without one it is told anew every 30 s and holds
    /// for 90 s after the last time: until [`unpublish`](Self::unpublish) or until
    /// the node ends. (czmq and C Zyre keep what they heard for ever.)
    ///
    /// # Errors
    /// A key, a value or a time to live that can't be, our own UUID as the key, no
    /// room, or a node that has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the tuple may or may not have been published.
    pub async fn publish(
        &self,
        key: impl Into<String>,
        value: impl Into<String>,
        ttl: Option<Duration>,
    ) -> Result<(), GossipError> {
        let (key, value) = (key.into(), value.into());
        if key.is_empty() || key.len() > KEY {
            return Err(GossipError::Key(key.len()));
        }
        if value.len() > VALUE {
            return Err(GossipError::Value(value.len()));
        }
        if let Some(ttl) = ttl
            && !(Duration::from_millis(1)..=super::table::TTL_MAX).contains(&ttl)
        {
            return Err(GossipError::Ttl(ttl));
        }
        self.check(&key)?;
        let published = |reply| HubMessage::Publish {
            key,
            value,
            ttl,
            reply,
        };
        match self.ask(published).await? {
            true => Ok(()),
            false => Err(GossipError::Full),
        }
    }

    /// Forgets a tuple, whoever published it. True where there was one.
    ///
    /// The wire has no word for it: others keep the tuple until its time is over,
    /// and one that somebody else still publishes comes back.
    ///
    /// # Errors
    /// Our own UUID as the key, or a node that has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the tuple may or may not have been forgotten.
    pub async fn unpublish(&self, key: impl Into<String>) -> Result<bool, GossipError> {
        let key = key.into();
        self.check(&key)?;
        self.ask(|reply| HubMessage::Unpublish { key, reply }).await
    }

    /// All tuples that are known now, ours and those of nodes included.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn tuples(&self) -> Result<BTreeMap<String, String>, GossipError> {
        self.ask(HubMessage::List).await
    }

    fn check(&self, key: &str) -> Result<(), GossipError> {
        match Uuid::try_parse(key) {
            Ok(uuid) if uuid == self.uuid => Err(GossipError::Own),
            _ => Ok(()),
        }
    }

    async fn ask<T>(
        &self,
        report: impl FnOnce(oneshot::Sender<T>) -> HubMessage,
    ) -> Result<T, GossipError> {
        let (reply, answer) = oneshot::channel();
        let asked = self.reports.send(report(reply)).await;
        asked.map_err(|_| GossipError::Stopped)?;
        answer.await.map_err(|_| GossipError::Stopped)
    }
}
