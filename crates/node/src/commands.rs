use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;
use zre_proto::machine::PingRefused;
use zre_proto::{Endpoint, LimitError, State};

use crate::{Peer, Stats};

/// Gets the round trip, and is dropped if the peer exits first.
pub(crate) type PingReply = oneshot::Sender<Result<Duration, PingRefused>>;

/// What the application asks the driver to do. The driver answers through the
/// senders; an application that has given up doesn't listen any more.
#[derive(Debug)]
pub(crate) enum Command {
    Join(String, oneshot::Sender<Result<bool, LimitError>>),
    Leave(String, oneshot::Sender<bool>),
    Contest(String, oneshot::Sender<Result<bool, LimitError>>),
    Leader(String, oneshot::Sender<Option<Uuid>>),
    SetState(State, oneshot::Sender<()>),
    SetName(String, oneshot::Sender<Result<bool, LimitError>>),
    SetHeader(String, String, oneshot::Sender<Result<bool, LimitError>>),
    RemoveHeader(String, oneshot::Sender<bool>),
    AddPeer {
        endpoint: Endpoint,
        uuid: Option<Uuid>,
        /// Its public key, as text.
        key: Option<Box<str>>,
        reply: oneshot::Sender<()>,
    },
    RemovePeer(Endpoint, oneshot::Sender<()>),
    Ping(Peer, PingReply),
    Silences(oneshot::Sender<BTreeMap<Uuid, Duration>>),
    Stats(oneshot::Sender<Stats>),
    Shutdown(Duration, oneshot::Sender<()>),
}
