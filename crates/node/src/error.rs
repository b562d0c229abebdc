use std::time::Duration;

use crate::{GossipError, LimitError, ListenError, State};

const IPC_ADVICE: &str = match cfg!(unix) {
    true => "mend the directory, name another, or turn ipc off",
    false => "set ipc to off, or leave it out",
};

/// Why a node didn't start. Nothing of it remains.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name, a header or a group is longer than peers accept.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The beacon sockets can't be opened.
    #[error("can't open the beacon sockets: {0}")]
    Beacon(#[from] crate::BeaconOpenError),
    /// The inbox can't be opened.
    #[error("can't open the inbox: {0}")]
    Inbox(#[from] crate::LinkOpenError),
    /// Every port of the range is in use.
    #[error("no port of {0} is free: name more ports, or end the program that listens there")]
    NoPort(crate::Listen),
    /// No name server can be asked.
    #[cfg(feature = "dns")]
    #[error("can't find a name server: {0}; name one, or don't use DNS")]
    Dns(String),
    /// Service labels without a domain that they belong to.
    #[error("dns_service is {0}, and no domain is set: set dns too")]
    DnsService(String),
    /// The node's keys can't be loaded.
    #[cfg(feature = "curve")]
    #[error("can't use the keys: {0}")]
    Keys(#[from] crate::KeyError),
    /// The directory or the file that says whose keys are trusted can't be used.
    #[cfg(feature = "curve")]
    #[error("can't use what says whom to trust: {0}")]
    Trust(#[source] crate::KeyError),
    /// A node with keys talks only to nodes whose key it knows.
    #[cfg(feature = "curve")]
    #[error("{0} has no key: write the key of the node there behind it, as {0}#KEY")]
    PeerKey(crate::Endpoint),
    /// Whom a node trusts means nothing if it has no keys itself.
    #[cfg(feature = "curve")]
    #[error("trust, plain_too or a peer's key is set, and the node has no keys: set keys, too")]
    NoKeys,
    /// Groups are open to peers without keys, and no such peers are let in.
    #[cfg(feature = "curve")]
    #[error("plain_group is set, and plain_too isn't: set plain_too and keys, too")]
    PlainGroup,
    /// The directory for unix sockets that was named can't be used.
    #[error("no unix sockets: {0}; {advice}", advice = IPC_ADVICE)]
    Ipc(String),
    /// Nobody can dial the address that is to be advertised.
    #[error("{0} can't be advertised: it isn't the address of one host, which peers could dial")]
    Advertise(crate::Endpoint),
    /// The gossip address can't be listened on.
    #[error("can't listen for gossip at {addr}: {source}")]
    Gossip {
        /// The address.
        addr: std::net::SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Gossip goes over tcp only.
    #[error("gossip needs an endpoint like tcp://host:port, not {0}")]
    GossipEndpoint(crate::Endpoint),
    /// A state that only the protocol sets.
    #[error("{0} can't be set: use init, ready, busy, draining, asleep, or 128 to 255")]
    State(State),
    /// Durations that contradict each other.
    #[error("expired ({expired:?}) must be longer than evasive ({evasive:?})")]
    Patience {
        /// The silence after which a peer is pinged.
        evasive: Duration,
        /// The silence after which the node gives a peer up.
        expired: Duration,
    },
    /// The thread of a blocking node can't be started.
    #[error("can't start the node's thread: {0}")]
    Thread(std::io::Error),
    /// `start` was called outside a tokio runtime.
    #[error("a node needs a tokio runtime with I/O and time enabled: start it inside one")]
    NoRuntime,
}

/// Why a message wasn't accepted for a peer. Nothing was sent.
///
/// ```no_run
/// use zre::SendError;
///
/// # async fn run(node: zre::Node, peer: zre::Peer) -> Result<(), SendError> {
/// match node.whisper(&peer, "a reading").await {
///     Ok(()) => {}
///     // It reads more slowly than we write: it misses this reading.
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
    /// No peer of that UUID or name is here.
    #[error("no peer {0} is here")]
    Unknown(String),
    /// Several peers have that name.
    #[error("{count} peers are named {name:?}: name the one you mean by its UUID")]
    Ambiguous {
        /// The name.
        name: String,
        /// How many peers have it.
        count: usize,
    },
    /// The queue to the peer had no room in the time allowed.
    #[error("the queue to the peer is full: it reads more slowly than you send")]
    Full,
    /// The peer has gone, or is leaving.
    #[error("the peer has gone")]
    Gone,
    /// The message exceeds a limit.
    #[error("{what} is {size}, more than the limit of {limit}: split the message")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// An invalid group name.
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
    /// The peer isn't here or went before it answered, or the node has stopped.
    #[error(transparent)]
    Peer(#[from] SendError),
    /// No answer came in that time. The peer may still be here: it or the network may
    /// be slow, or it may not be reading.
    #[error("no answer within {0:?}: the peer may be slow, or not reading")]
    Elapsed(Duration),
    /// 32 PINGs to the peer aren't answered. No further one was sent.
    #[error("32 pings to the peer aren't answered: wait for one of them")]
    TooMany,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request wasn't accepted for the peer, the peer went before it answered, or
    /// the node has stopped.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The peer runs another implementation of ZRE, or an older version of this one.
    /// Nothing was sent.
    #[error("the peer doesn't support requests; use whisper")]
    Unsupported,
    /// The peer's program doesn't answer requests, or not this one.
    #[error("the peer's program dropped the request without an answer")]
    Unanswered,
    /// No answer came in that time. The peer may still have acted on the request.
    #[error("no answer within {0:?}: the peer may be busy, and may still answer")]
    Elapsed(Duration),
    /// 65,536 requests of this node wait for answers. Nothing was sent.
    #[error("65536 requests wait for answers: wait for some of them")]
    TooMany,
}

/// Why an answer wasn't accepted for the peer that asked. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The peer has gone, its queue is full, or the answer is too large.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The request is answered already, or is being answered.
    #[error("the request is answered already")]
    Answered,
    /// No request has that number, or it isn't open any more.
    #[error("no request {0} is open: it was answered or given up, or its peer has gone")]
    Unknown(u64),
}

/// Why a command to the node wasn't carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// An invalid name of a group or of the node, an invalid header, or too many of them.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A state that only the protocol sets.
    #[error("{0} can't be set: use init, ready, busy, draining, asleep, or 128 to 255")]
    State(State),
    /// The node was shut down.
    #[error("the node has stopped")]
    Stopped,
}

/// Why waiting for peers ended without enough of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time is over.
    #[error("{found} of {wanted} peers were here in time")]
    Elapsed {
        /// How many were here.
        found: usize,
        /// How many were wanted.
        wanted: usize,
    },
    /// The node was shut down.
    #[error("the node has stopped")]
    Stopped,
}

/// Gives each error a word that stays the same in later versions, for programs that
/// tell errors apart without Rust's types.
macro_rules! codes {
    ($($error:ident { $($(#[$attribute:meta])* $variant:pat => $code:expr,)* })*) => {$(
        impl $error {
            /// The kind of error as a word that stays the same in later versions, for
            /// scripts and bindings; the text of an error may change.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self {
                    $($(#[$attribute])* $variant => $code,)*
                }
            }
        }
    )*};
}

codes! {
    StartError {
        Self::Limit(_) => "limit",
        Self::Beacon(_) => "beacon",
        Self::Inbox(_) => "inbox",
        Self::NoPort(_) => "no_port",
        #[cfg(feature = "curve")]
        Self::Keys(_) => "keys",
        #[cfg(feature = "curve")]
        Self::Trust(_) => "trust",
        #[cfg(feature = "curve")]
        Self::PeerKey(_) => "peer_key",
        #[cfg(feature = "curve")]
        Self::NoKeys => "no_keys",
        #[cfg(feature = "curve")]
        Self::PlainGroup => "plain_group",
        #[cfg(feature = "dns")]
        Self::Dns(_) => "dns",
        Self::DnsService(_) => "dns_service",
        Self::Ipc(_) => "ipc",
        Self::Advertise(_) => "advertise",
        Self::Gossip { .. } => "gossip",
        Self::GossipEndpoint(_) => "gossip_endpoint",
        Self::State(_) => "state",
        Self::Patience { .. } => "patience",
        Self::Thread(_) => "thread",
        Self::NoRuntime => "no_runtime",
    }
    SendError {
        Self::Unknown(_) => "unknown_peer",
        Self::Ambiguous { .. } => "ambiguous_peer",
        Self::Full => "full",
        Self::Gone => "gone",
        Self::TooLarge { .. } => "too_large",
        Self::Limit(_) => "limit",
        Self::Stopped => "stopped",
    }
    PingError {
        Self::Peer(error) => error.code(),
        Self::Elapsed(_) => "elapsed",
        Self::TooMany => "too_many",
    }
    RequestError {
        Self::Send(error) => error.code(),
        Self::Unsupported => "unsupported",
        Self::Unanswered => "unanswered",
        Self::Elapsed(_) => "elapsed",
        Self::TooMany => "too_many",
    }
    ReplyError {
        Self::Send(error) => error.code(),
        Self::Answered => "answered",
        Self::Unknown(_) => "unknown_request",
    }
    CommandError {
        Self::Limit(_) => "limit",
        Self::State(_) => "state",
        Self::Stopped => "stopped",
    }
    WaitError {
        Self::Elapsed { .. } => "elapsed",
        Self::Stopped => "stopped",
    }
    GossipError {
        Self::Key(_) => "key",
        Self::Value(_) => "value",
        Self::Ttl(_) => "ttl",
        Self::Own => "own_key",
        Self::Full => "full",
        Self::Stopped => "stopped",
    }
    ListenError {
        Self::Addr(_) => "address",
        Self::Ports(_) => "ports",
    }
}
