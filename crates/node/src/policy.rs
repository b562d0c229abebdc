use std::time::Duration;

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
