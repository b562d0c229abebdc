//! Elections.

use uuid::Uuid;

use super::Node;
use crate::CommandError;
use crate::commands::Command;

impl Node {
    /// Makes this node a candidate for leading a group, from now on and whenever it is
    /// in it. True if it wasn't one. It doesn't join the group.
    ///
    /// The candidate with the lowest UUID leads.
    /// [`Event::Leader`](crate::Event::Leader) reports the leader to every member, and
    /// again when the leader changes because a member comes or goes. A node that is
    /// alone in its group leads it after 5 s. While members come and go, and in a
    /// network that is partitioned, two may believe that they lead.
    ///
    /// The election is C Zyre's, therefore its nodes and ours elect together. Members
    /// that don't know elections prevent it from ending: see
    /// [`Event::Undecided`](crate::Event::Undecided).
    ///
    /// # Errors
    /// The name is empty or longer than 255 bytes, there are too many groups, or the
    /// node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the node may or may not be a candidate.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use zre::{Event, Node};
    ///
    /// let (node, mut events) = Node::builder().start().await?;
    /// node.contest("workers").await?;
    /// node.join("workers").await?;
    /// while let Some(event) = events.recv().await {
    ///     if let Event::Leader { group, peer, .. } = event {
    ///         match peer {
    ///             Some(peer) => println!("{peer} leads {group}"),
    ///             None => println!("we lead {group}"),
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn contest(&self, group: impl Into<String>) -> Result<bool, CommandError> {
        let group = group.into();
        let contests = self.ask(|reply| Command::Contest(group, reply)).await?;
        Ok(contests?)
    }

    /// The UUID of the leader of a group that this node is in, by the last election that
    /// ended there. It may be this node's own.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn leader(&self, group: impl Into<String>) -> Result<Option<Uuid>, CommandError> {
        let group = group.into();
        self.ask(|reply| Command::Leader(group, reply)).await
    }
}
