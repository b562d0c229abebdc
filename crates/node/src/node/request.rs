//! Requests and answers.

use std::time::Duration;

use tokio::time::Instant;
use zre_proto::request_header;

use super::Node;
use crate::delivery::deliver;
use crate::{Message, PeerRef, ReplyError, RequestError, RequestRef, Responder};

impl Node {
    /// Sends a request to a peer and waits for the answer. The peer's program reads
    /// [`Event::Request`](crate::Event::Request) and answers by its
    /// [`Responder`](crate::Responder).
    ///
    /// The request waits for room in the queue to the peer as a whisper does, and
    /// keeps its order with the whispers to that peer. Answers may come in any order.
    /// ZRE itself has no requests; nodes of this library add them and announce that
    /// they do.
    ///
    /// # Errors
    /// At once: the peer isn't here or doesn't support requests, its program drops the
    /// request unanswered, it exits, or too many requests wait. Otherwise when the time
    /// is over. A peer that exited or didn't answer in time may still have acted on the
    /// request.
    ///
    /// # Cancel safety
    /// When the future is dropped, the request may or may not have been sent; its
    /// answer is discarded.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use zre::{Event, Node};
    ///
    /// let (alice, mut events) = Node::builder().loopback().name("alice").start().await?;
    /// let (bob, _) = Node::builder().loopback().name("bob").start().await?;
    /// bob.wait_for_peers(1, Duration::from_secs(5)).await?;
    ///
    /// tokio::spawn(async move {
    ///     while let Some(event) = events.recv().await {
    ///         if let Event::Request { message, responder, .. } = event {
    ///             let length = message.len().to_string();
    ///             let _ = responder.reply(length).await;
    ///         }
    ///     }
    /// });
    /// let answer = bob.request("alice", "how long?", Duration::from_secs(5)).await?;
    /// assert_eq!(answer.to_str(), Some("9"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request(
        &self,
        peer: impl Into<PeerRef>,
        message: impl Into<Message>,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        let peer = self.find(peer)?;
        if !peer.takes_requests() {
            return Err(RequestError::Unsupported);
        }
        let message = message.into();
        let (ticket, answer) = self.inner.shared.pending_requests.open(peer.uuid())?;
        let asked = Instant::now();
        let answered = async {
            let mut header = request_header(ticket.id(), 0);
            deliver(&peer, &mut header, &message, self.inner.policy).await?;
            match answer.await {
                Ok(Some(answer)) => {
                    peer.sender().meters().answered(asked.elapsed());
                    Ok(answer)
                }
                Ok(None) => Err(RequestError::Unanswered),
                Err(_) => Err(self.gone().into()),
            }
        };
        match tokio::time::timeout(timeout, answered).await {
            Ok(result) => result,
            Err(_) => Err(RequestError::Elapsed(timeout)),
        }
    }

    /// Answers a request of a peer, named by its [`Responder`](crate::Responder) or
    /// by its number ([`Event::id`](crate::Event::id)). `Ok` means that the answer is
    /// in the queue to the peer; if that is full, the node's
    /// [`SendPolicy`](crate::SendPolicy) decides.
    ///
    /// A number stands for a request as long as one of its responders exists, or if
    /// it was [kept](crate::Responder::keep).
    ///
    /// # Errors
    /// There is no such request any more, it is answered already, its peer has gone,
    /// or the answer finds no room or is too large. Nothing was sent then, and a
    /// request that was kept stays open.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, no answer was sent.
    pub async fn reply(
        &self,
        request: impl Into<RequestRef>,
        message: impl Into<Message>,
    ) -> Result<(), ReplyError> {
        let responder = match request.into() {
            RequestRef::Responder(responder) => responder,
            RequestRef::Id(id) => {
                let call = self.inner.shared.open_requests.get(id);
                Responder::of(call.ok_or(ReplyError::Unknown(id))?)
            }
        };
        responder.reply(message).await
    }
}
