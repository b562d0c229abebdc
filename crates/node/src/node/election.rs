//! Who leads a group.

use uuid::Uuid;

use super::Node;
use crate::CommandError;
use crate::commands::Command;

impl Node {
    /// Wants to lead a group, from now on and whenever this node is in it. True
    /// where it didn't before. It doesn't join the group.
    ///
    /// Of the members that want to, the one with the lowest UUID leads.
    /// [`Event::Leader`](crate::Event::Leader) tells every member who that is:
    /// again when a member comes with whom it changes, or the leader goes. A node
    /// that is alone in its group leads it after 5 s. While members come and go,
    /// and across a network that is cut, two may believe that they lead.
    ///
    /// The election is C Zyre's, so its nodes contest with ours. Members that know
    /// nothing of elections keep it from its end: see
    /// [`Event::Undecided`](crate::Event::Undecided).
    ///
    /// # Errors
    /// A name that is empty or longer than 255 bytes, too many groups, or a node
    /// that has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the node may or may not contest.
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

    /// Who leads a group that this node is in, by the last election that ended
    /// there; this node itself, where that is its UUID.
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
