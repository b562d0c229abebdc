//! The errors, one enum for each kind of operation.

use std::io;
use std::net::SocketAddr;

use zre_zmtp::MechanismName;

use crate::descriptors;

/// The links can't be opened, or can't listen at one more address. Nothing is left
/// behind: everything that was bound is closed again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Somebody else listens at the address.
    #[error("{0} is in use: name another port, or port 0 for a free one")]
    InUse(SocketAddr),
    /// The system refuses to listen at the address.
    #[error("can't listen at {addr}: {source}")]
    Listen {
        /// The configured address.
        addr: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// No port is free on all of the addresses with port 0.
    #[error("no port is free on all of the {addrs} addresses: name a port, or fewer addresses")]
    NoCommonPort {
        /// How many addresses had port 0.
        addrs: usize,
    },
    /// A limit makes no sense.
    #[error("the limit {name} is {value}: {advice}")]
    Limits {
        /// The field of [`LinkLimits`](crate::LinkLimits).
        name: &'static str,
        /// Its value.
        value: usize,
        /// What it must be.
        advice: &'static str,
    },
    /// The engine can't do what the mechanism needs.
    #[error("the zeromq engine can't use the mechanism {0}: use the native engine")]
    Mechanism(MechanismName),
    /// The call wasn't made inside a tokio runtime with I/O and time enabled.
    #[error("links need a tokio runtime: open them inside one, with I/O and time enabled")]
    NoRuntime,
    /// The links were shut: nothing listens any more.
    #[error("the links are shut: open new ones")]
    Shut,
    /// The system refused something that the engine needs.
    #[error("the link engine can't start: {0}")]
    Engine(io::Error),
}

/// A message wasn't accepted. Nothing was taken: the caller still has all of it,
/// and may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError {
    /// The queue for this peer, or for all peers together, is full.
    /// [`Mailbox::writable`](crate::Mailbox::writable) waits for room.
    #[error("the queue to the peer is full: wait for room, or disconnect the peer")]
    Full,
    /// The mailbox is closed or its connection has ended.
    #[error("the mailbox is closed: open a new one")]
    Closed,
    /// The message can never be sent.
    #[error(
        "{what} is {size}, more than the limit of {limit}: split the message, or raise the limit on both sides"
    )]
    TooLarge {
        /// What is too large: "a frame", "the message", "the number of frames".
        what: &'static str,
        /// Its size, in bytes or in frames.
        size: usize,
        /// The limit, in the same unit.
        limit: usize,
    },
}

/// The mailbox is closed or its connection has ended; the `Closed` notice says
/// why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mailbox is closed: open a new one")]
pub struct Closed;

/// Why a connection, in either direction, has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed it in an orderly way, or its process ended.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// The connection broke: a reset.
    #[error("the connection was reset")]
    Reset,
    /// Nobody listens at the address.
    #[error("the connection was refused: nobody listens there")]
    Refused,
    /// There is no route to the address.
    #[error("the peer can't be reached: {0}")]
    Unreachable(String),
    /// Connecting or the handshake took longer than its limit.
    #[error("the peer didn't answer in time")]
    TimedOut,
    /// The other side doesn't speak our protocol, or isn't the peer that we dialled.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// A limit was reached; the name is the field of [`LinkLimits`](crate::LinkLimits).
    #[error("the limit {0} was reached")]
    Limit(&'static str),
    /// The peer sent something else than ZMTP, or a frame that can't be opened.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    /// The peer has proved which key it holds, and it isn't one that is let in.
    #[error("the peer's key isn't one that is let in here")]
    Denied,
    /// Another key holds the identity.
    #[error("a peer with another key has this identity: only it can connect again")]
    OtherKey,
    /// The same identity has connected again, and the new connection replaces this
    /// one.
    #[error("the peer has connected again")]
    Replaced,
    /// We closed it.
    #[error("closed here")]
    Local,
    /// The target names no route to the peer that could be tried.
    #[error("no route to the peer is known: neither an address nor a link on this host")]
    NoRoute,
    /// This process, or the system, has no free file descriptor.
    #[error("no free file descriptor: raise the limit on open files (`ulimit -n`)")]
    Descriptors,
    /// The system reported something else.
    #[error("the connection failed: {0}")]
    Io(String),
}

impl CloseReason {
    /// The reason that an error of the system stands for.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        if descriptors::is_out(error) {
            descriptors::warn();
            return Self::Descriptors;
        }
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Self::Reset,
            Kind::UnexpectedEof => Self::PeerClosed,
            Kind::TimedOut => Self::TimedOut,
            Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::AddrNotAvailable
            | Kind::NotFound
            | Kind::PermissionDenied => Self::Unreachable(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}
