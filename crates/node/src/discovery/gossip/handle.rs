use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::hub::HubMessage;
use super::message::{KEY, VALUE};
#[cfg(feature = "curve")]
use crate::driver::Key;

/// A node's gossip: tuples of a key and a value that reach every node that gossips,
/// directly or through others, including nodes with C Zyre and czmq.
///
/// The node itself publishes its own tuple: its UUID and its endpoint. If another tuple
/// has a UUID as its key, its value is dialled; all others are for the application.
/// [`Node::gossip`](crate::Node::gossip) returns this handle. Cloning is cheap, and it
/// doesn't keep the node alive.
#[derive(Clone, Debug)]
pub struct Gossip {
    uuid: Uuid,
    reports: mpsc::Sender<HubMessage>,
}

/// Why gossip wasn't changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GossipError {
    /// The key is empty, or longer than the wire allows.
    #[error("the key has {0} bytes: use 1 to 255")]
    Key(usize),
    /// The value is longer than a node keeps.
    #[error("the value has {0} bytes: use at most 1024")]
    Value(usize),
    /// A time to live out of range.
    #[error("the time to live is {0:?}: use 1 ms to an hour")]
    Ttl(Duration),
    /// The key is the node's own UUID.
    #[error("the key is this node's own UUID: set its endpoint with Builder::advertise")]
    Own,
    /// The table of tuples is full.
    #[error("there is no room for another tuple: unpublish one")]
    Full,
    /// The node was shut down.
    #[error("the node has stopped")]
    Stopped,
}

impl Gossip {
    pub(super) fn new(uuid: Uuid, reports: mpsc::Sender<HubMessage>) -> Self {
        Self { uuid, reports }
    }

    /// A node said goodbye: removes its tuple. If the hub's queue is full, the tuple
    /// stays until it expires.
    pub(crate) fn forget(&self, uuid: Uuid) {
        let _ = self.reports.try_send(HubMessage::Forget(uuid));
    }

    /// Ends the connections with the holders of these keys.
    #[cfg(feature = "curve")]
    pub(crate) fn deny(&self, keys: Vec<Key>) {
        let reports = self.reports.clone();
        tokio::spawn(async move {
            // Without a hub there are no connections.
            let _ = reports.send(HubMessage::Deny(keys)).await;
        });
    }

    /// Publishes a tuple and sends it to all neighbours. It replaces any tuple with that
    /// key, and neighbours can't change it.
    ///
    /// With a time to live (in milliseconds), it is valid for that long and then forgotten
    /// everywhere. Without one, the node publishes it again every 30 s, until
    /// [`unpublish`](Self::unpublish) or until the node ends; others forget it 90 s after
    /// the last time. (czmq and C Zyre never forget a tuple.)
    ///
    /// # Errors
    /// The key, the value or the time to live is out of range, the key is the node's own
    /// UUID, there is no room, or the node has stopped.
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

    /// Forgets a tuple, whoever published it. True if there was one.
    ///
    /// The wire has no message for this: others keep the tuple until it expires, and a
    /// tuple that another node still publishes comes back.
    ///
    /// # Errors
    /// The key is the node's own UUID, or the node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the tuple may or may not have been forgotten.
    pub async fn unpublish(&self, key: impl Into<String>) -> Result<bool, GossipError> {
        let key = key.into();
        self.check(&key)?;
        self.ask(|reply| HubMessage::Unpublish { key, reply }).await
    }

    /// All known tuples, including this node's and those of other nodes.
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
