use std::time::Duration;

use crate::LimitError;

/// Why a node didn't start. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name, a header or a group is more than peers take.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The beacon can't be opened.
    #[error("no beacon: {0}")]
    Beacon(#[from] zre_beacon::OpenError),
    /// The inbox can't be opened.
    #[error("no inbox: {0}")]
    Inbox(#[from] zre_session::OpenError),
    /// No address of the chosen interfaces can be listened on.
    #[error(
        "none of the chosen interfaces has an address to listen on: choose others, or bring one up"
    )]
    NoAddress,
    /// Every port of the range is in use.
    #[error("no port of {0} is free: name more ports, or end what listens there")]
    NoPort(crate::Listen),
    /// No name server can be asked.
    #[cfg(feature = "dns")]
    #[error("no name server: {0}; name one, or leave DNS out")]
    Dns(String),
    /// Service labels without a domain that they belong to.
    #[error("dns_service is {0}, and no domain is set: set dns too")]
    DnsService(String),
    /// Gossip can't be listened for there.
    #[error("can't listen for gossip at {addr}: {source}")]
    Gossip {
        /// The address that was named.
        addr: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Gossip goes over tcp.
    #[error("{0} is no place for gossip: name one as tcp://host:port")]
    GossipEndpoint(crate::Endpoint),
    /// A state that only the protocol sets.
    #[error("{0} can't be set: use init, ready, busy, draining, asleep, or 128 to 255")]
    State(crate::State),
    /// Durations that contradict each other.
    #[error("expired ({expired:?}) must be longer than evasive ({evasive:?})")]
    Patience {
        /// Silence until a PING.
        evasive: Duration,
        /// Silence until the peer is given up.
        expired: Duration,
    },
    /// A blocking node has a thread with a runtime of its own.
    #[error("no thread for the node: {0}")]
    Thread(std::io::Error),
    /// Started outside a tokio runtime.
    #[error("a node needs a tokio runtime with I/O and time enabled: start it inside one")]
    NoRuntime,
}

/// Why a message wasn't accepted for a peer. It went nowhere.
///
/// ```no_run
/// use zre::SendError;
///
/// # async fn run(node: zre::Node, peer: zre::Peer) -> Result<(), SendError> {
/// match node.whisper(&peer, "a reading").await {
///     Ok(()) => {}
///     // It reads more slowly than we write: this one isn't for it.
///     Err(SendError::Full) => eprintln!("{peer} doesn't keep up"),
///     // Its Exit event comes, or has come.
///     Err(SendError::Gone) => {}
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody of that UUID or name is here.
    #[error("no peer {0}: wait for its Enter event")]
    Unknown(String),
    /// Two peers or more have that name.
    #[error("{count} peers are named {name:?}: name the one you mean by its UUID")]
    Ambiguous {
        /// The name.
        name: String,
        /// How many have it.
        count: usize,
    },
    /// The queue to the peer had no room within the time allowed.
    #[error("the queue to the peer is full: it reads more slowly than you send")]
    Full,
    /// The peer is gone, or going.
    #[error("the peer is gone")]
    Gone,
    /// The message is larger than a limit.
    #[error("{what} is {size}, more than the limit of {limit}: split the message")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// A group name that can't be.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The node was shut down.
    #[error("the node has stopped")]
    Stopped,
}

/// Why no round trip was measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// The peer isn't here, has gone before it answered, or the node has
    /// stopped.
    #[error(transparent)]
    Peer(#[from] SendError),
    /// No answer came in that time. The peer may still be there: it, or the
    /// network, is slow, or it reads nothing now.
    #[error("no answer within {0:?}: the peer may be slow, or not reading")]
    Elapsed(Duration),
    /// 32 PINGs to the peer aren't answered, and no further one was sent.
    #[error("32 pings to the peer aren't answered: wait for one of them")]
    TooMany,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request wasn't accepted for the peer, or it has gone before it
    /// answered, or the node has stopped.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The peer runs another implementation of ZRE, or an older version of this
    /// one. Nothing was sent.
    #[error("the peer knows no requests: whisper to it, and let it whisper back")]
    Unsupported,
    /// The peer's program doesn't answer requests, or not this one.
    #[error("the peer's program has dropped the request without an answer")]
    Unanswered,
    /// No answer came in that time. The peer may have done what was asked for.
    #[error("no answer within {0:?}: the peer may be busy, and may answer yet")]
    Elapsed(Duration),
    /// 65,536 requests of this node wait for answers. Nothing was sent.
    #[error("65536 requests wait for their answers: wait for some of them")]
    TooMany,
}

/// Why an answer wasn't accepted for the peer that asked. It went nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The peer is gone, its queue is full, or the answer is too large.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A clone of the responder has answered.
    #[error("the request is answered already")]
    Answered,
}

/// Why a command to the node wasn't carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A group name that can't be, or too many groups.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A state that only the protocol sets.
    #[error("{0} can't be set: use init, ready, busy, draining, asleep, or 128 to 255")]
    State(crate::State),
    /// The node was shut down.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time is over.
    #[error("{found} of {wanted} peers were there in time")]
    Elapsed {
        /// How many there were.
        found: usize,
        /// How many were waited for.
        wanted: usize,
    },
    /// The node was shut down.
    #[error("the node has stopped")]
    Stopped,
}
