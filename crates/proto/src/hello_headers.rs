//! The HELLO headers by which our nodes recognise each other.

/// The header in which our nodes report their state. A peer that shows it
/// understands [`Command::State`](crate::Command::State).
pub const STATE_HEADER: &str = "X-ZRE-STATE";

/// The header of nodes that take requests and answers. A peer that shows it
/// understands [`Command::Request`](crate::Command::Request) and
/// [`Command::Reply`](crate::Command::Reply).
pub const REQUEST_HEADER: &str = "X-ZRE-REQUEST";

/// The header of nodes that take part in elections. A peer that shows it
/// understands [`Command::Elect`](crate::Command::Elect) and
/// [`Command::Leader`](crate::Command::Leader), and so does a peer that sends them.
pub const ELECTION_HEADER: &str = "X-ZRE-ELECT";

/// Headers of this prefix are between nodes. Applications neither set nor see them.
pub(crate) const RESERVED_PREFIX: &str = "X-ZRE-";
