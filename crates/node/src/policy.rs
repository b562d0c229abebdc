use std::time::Duration;

/// What a send does when the queue to a peer is full.
///
/// A node has one policy ([`Builder::send_policy`](crate::Builder::send_policy)), and a
/// message may have another.
///
/// ```no_run
/// use zre::SendPolicy;
///
/// # async fn run(node: zre::Node) -> Result<(), Box<dyn std::error::Error>> {
/// // Old pictures are useless: a peer without room misses this one.
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
    /// Wait for room up to that time, then fail with
    /// [`SendError::Full`](crate::SendError::Full). The bound prevents two nodes whose
    /// queues are both full from waiting for each other for ever.
    Wait(Duration),
    /// Fail at once with [`SendError::Full`](crate::SendError::Full).
    Reject,
    /// End the session with the peer, which may come back by itself.
    Disconnect,
}

impl Default for SendPolicy {
    /// Waits for up to 10 s.
    fn default() -> Self {
        Self::Wait(Duration::from_secs(10))
    }
}
