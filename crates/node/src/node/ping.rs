//! Round trips.

use std::time::Duration;

use tokio::sync::oneshot;
use zre_proto::machine::PingRefused;

use super::Node;
use crate::commands::Command;
use crate::{PeerRef, PingError, SendError};

impl Node {
    /// Measures the round trip to a peer: sends it a PING and waits for the answer,
    /// which every ZRE implementation gives.
    ///
    /// The time includes waiting in the queues of both nodes, and the delay of a peer
    /// whose program is slow to read: it is how long a message and its answer would
    /// take now, not what the network alone needs.
    ///
    /// Several pings may be on their way to the same peer; each gets its own time.
    ///
    /// # Errors
    /// The peer isn't here or goes before it answers, the time is over, or 32 earlier
    /// pings to it aren't answered.
    ///
    /// # Cancel safety
    /// The PING goes out even if the future is dropped; its answer is then discarded,
    /// and not taken for the answer to a later one.
    ///
    /// ```no_run
    /// # async fn run(node: zre::Node) -> Result<(), zre::PingError> {
    /// let time = node.ping("bob", std::time::Duration::from_secs(1)).await?;
    /// println!("bob is {time:?} away");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ping(
        &self,
        peer: impl Into<PeerRef>,
        timeout: Duration,
    ) -> Result<Duration, PingError> {
        let peer = self.find(peer)?;
        let round_trip = self.round_trip(peer);
        match tokio::time::timeout(timeout, round_trip).await {
            Ok(result) => result,
            Err(_) => Err(PingError::Elapsed(timeout)),
        }
    }

    async fn round_trip(&self, peer: crate::Peer) -> Result<Duration, PingError> {
        let (reply, answer) = oneshot::channel();
        let asked = self.inner.commands.send(Command::Ping(peer, reply)).await;
        asked.map_err(|_| SendError::Stopped)?;
        match answer.await {
            Ok(Ok(round_trip)) => Ok(round_trip),
            Ok(Err(PingRefused::TooMany)) => Err(PingError::TooMany),
            Ok(Err(PingRefused::Gone)) | Err(_) => Err(self.gone().into()),
        }
    }

    /// The reason for a missing answer: the peer has gone, or this node has stopped.
    pub(super) fn gone(&self) -> SendError {
        if self.inner.shared.is_stopped() {
            SendError::Stopped
        } else {
            SendError::Gone
        }
    }
}
