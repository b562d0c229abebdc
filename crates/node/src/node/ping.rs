//! Round trips.

use std::time::Duration;

use tokio::sync::oneshot;
use zre_proto::machine::PingRefused;

use super::Node;
use crate::commands::Command;
use crate::{PeerRef, PingError, SendError};

impl Node {
    /// How long it takes from here to a peer and back: sends it a PING and waits
    /// for the answer, which every ZRE implementation gives.
    ///
    /// The time includes what waits in the queues of both nodes, and what a
    /// peer takes whose program is slow to read: it is how long a word and its
    /// answer would take now, not what the network alone needs.
    ///
    /// Several may be on their way to the same peer; each is told its own time.
    ///
    /// # Errors
    /// The peer isn't here or goes before it answers, the time is over, or 32
    /// earlier ones to it aren't answered.
    ///
    /// # Cancel safety
    /// The PING goes out all the same when the future is dropped; its answer is
    /// then thrown away, and not taken for that of a later one.
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

    /// Why nobody answers: the peer has gone, or we have.
    pub(super) fn gone(&self) -> SendError {
        if self.inner.shared.is_stopped() {
            SendError::Stopped
        } else {
            SendError::Gone
        }
    }
}
