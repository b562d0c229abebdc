//! Nodes for programs without async.
//!
//! The same node as [`zre::Node`](crate::Node), on a thread of its own. Every call waits
//! on the caller's thread. Calls inside another runtime don't panic, but block that
//! runtime's thread.
//!
//! ```no_run
//! use std::time::Duration;
//! use zre::Event;
//!
//! # fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let (node, mut events) = zre::Node::builder().name("alice").start_blocking()?;
//! node.join("chat")?;
//! node.wait_for_peers(1, Duration::from_secs(10))?;
//! node.shout("chat", "hello")?;
//! for event in &mut events {
//!     if let Event::Shout { peer, message, .. } = event {
//!         println!("{peer}: {}", message.to_str().unwrap_or("?"));
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod bell;
mod events;
mod host;
mod node;
mod wait;

pub use bell::Bell;
pub use events::Events;
pub use node::Node;

use crate::{Builder, StartError};

impl Builder {
    /// Starts the node on a thread of its own, for a program without async.
    ///
    /// # Errors
    /// The same as for [`start`](Self::start), and if no thread can be started.
    pub fn start_blocking(self) -> Result<(Node, Events), StartError> {
        let host = host::Host::start().map_err(StartError::Thread)?;
        let (node, events) = host.wait(self.start())?;
        Ok((Node::new(node, host), Events::new(events)))
    }
}
