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

/// The header of nodes that take new names and headers during a session. A peer that
/// shows it understands [`Command::Update`](crate::Command::Update).
pub const UPDATE_HEADER: &str = "X-ZRE-UPDATE";

/// The header in which C Zyre and our nodes show their public key, in Z85, if they have
/// one. C Zyre with keys drops a HELLO without it.
pub const KEY_HEADER: &str = "X-PUBLICKEY";

/// Headers of this prefix are between nodes. Applications neither set nor see them.
pub(crate) const RESERVED_PREFIX: &str = "X-ZRE-";

/// How many headers of that prefix a node may send beside those of its application.
pub(crate) const RESERVED_HEADERS: usize = 16;

pub(crate) fn is_reserved(key: &str) -> bool {
    key.starts_with(RESERVED_PREFIX)
}
