//! Gossip: nodes exchange the addresses of nodes over TCP, as czmq's zgossip does.
//!
//! `message` is the wire format, `table` the known tuples and the rules for passing them
//! on, `link` one connection, `hub` all connections, `handle` what the application and
//! the driver use. A node's tuple is its UUID and its endpoint; other tuples are passed
//! on without being interpreted.
//!
//! A connection carries both directions, ROUTER on the side that listens and DEALER on
//! the side that dials, therefore the one-way sessions of ZRE don't fit it.

mod clients;
#[cfg(fuzzing)]
mod fuzz;
mod handle;
mod hub;
mod link;
mod message;
mod table;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::Instrument;
use uuid::Uuid;
use zre_proto::Endpoint;
use zre_zmtp::{Mechanism, SocketType};

use clients::{Clients, Greeted};
#[cfg(fuzzing)]
pub(crate) use fuzz::fuzz;
pub use handle::{Gossip, GossipError};
use hub::{Hub, HubMessage, Neighbour};
use link::{GossipLink, LinkError, PATIENCE};

use super::{ChangeNotifier, Names, UpdateSender};

/// The wait before a neighbour is dialled again: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How many batches may wait for one neighbour. A neighbour that leaves more waiting is
/// given up, and gets everything again when it comes back.
const QUEUE: usize = 256;

/// What gossip needs.
#[derive(Debug)]
pub(crate) struct GossipSetup {
    pub(crate) uuid: Uuid,
    /// Where others are to dial this node.
    pub(crate) endpoint: watch::Receiver<Endpoint>,
    pub(crate) listeners: Vec<TcpListener>,
    /// Each with the mechanism that knows the neighbour's key, if we have keys.
    pub(crate) connect: Vec<(Endpoint, Option<Arc<dyn Mechanism>>)>,
    /// Neighbours need the same.
    pub(crate) mechanism: Arc<dyn Mechanism>,
    /// The text of our key, which our tuple names.
    pub(crate) key: Option<String>,
}

/// Gossips for as long as the driver listens.
pub(crate) fn start(
    setup: GossipSetup,
    names: Names,
    updates: UpdateSender,
    network_changes: ChangeNotifier,
) -> Gossip {
    let (reports, inbox) = mpsc::channel(256);
    let gossip = Gossip::new(setup.uuid, reports.clone());
    let supervisor = updates.supervisor.clone();
    // Dropping it ends them all.
    let mut tasks = JoinSet::new();
    for listener in setup.listeners {
        let mechanism = Arc::clone(&setup.mechanism);
        let accepting = accept(listener, mechanism, reports.clone());
        tasks.spawn(
            supervisor
                .watch("accepting gossip", accepting)
                .in_current_span(),
        );
    }
    for (endpoint, mechanism) in setup.connect {
        let (names, reports, network_changes) =
            (names.clone(), reports.clone(), network_changes.clone());
        let mechanism = mechanism.unwrap_or_else(|| Arc::clone(&setup.mechanism));
        let dialling = keep_dialling(endpoint, mechanism, names, reports, network_changes);
        tasks.spawn(
            supervisor
                .watch("dialling a gossip hub", dialling)
                .in_current_span(),
        );
    }
    let hub = Hub::new(setup.uuid, setup.endpoint, setup.key, updates.clone());
    let gossiping = async move {
        tokio::select! {
            () = hub.run(inbox) => {}
            () = updates.closed() => {}
        }
        drop(tasks);
    };
    tokio::spawn(supervisor.watch("gossiping", gossiping).in_current_span());
    gossip
}

async fn accept(
    listener: TcpListener,
    mechanism: Arc<dyn Mechanism>,
    reports: mpsc::Sender<HubMessage>,
) {
    let mut clients = Clients::new();
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => {
                let (mechanism, reports) = (Arc::clone(&mechanism), reports.clone());
                let served = clients.serve(addr.ip(), |greeted| async move {
                    let ended = serve(stream, mechanism, reports, greeted).await;
                    tracing::debug!(%addr, reason = %reason(&ended), "a gossip client has gone");
                });
                if !served {
                    tracing::debug!(%addr, "too many gossip clients");
                }
            }
            Err(error) => {
                tracing::debug!(%error, "can't accept a gossip client");
                tokio::time::sleep(RETRY.0).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    mechanism: Arc<dyn Mechanism>,
    reports: mpsc::Sender<HubMessage>,
    greeted: Greeted,
) -> Result<(), LinkError> {
    let nearby = stream.peer_addr()?.ip().to_canonical().is_loopback();
    let link = GossipLink::open(stream, SocketType::Router, mechanism).await?;
    let silent = async {
        tokio::time::sleep(PATIENCE).await;
        if greeted.is_set() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = carry(link, false, nearby, reports, greeted.clone()) => ended,
        () = silent => Err(LinkError::Slow),
    }
}

async fn keep_dialling(
    endpoint: Endpoint,
    mechanism: Arc<dyn Mechanism>,
    names: Names,
    reports: mpsc::Sender<HubMessage>,
    network_changes: ChangeNotifier,
) {
    let mut wait = RETRY.0;
    loop {
        let addrs = match &endpoint {
            Endpoint::Tcp(addr) => vec![*addr],
            Endpoint::Host { host, port } => names.lookup(host, *port, true).await,
            // The builder refuses such endpoints.
            Endpoint::Ipc(_) => return,
        };
        let nearby = addrs.iter().all(|addr| addr.ip().is_loopback());
        let ended = match GossipLink::dial(&addrs, &mechanism).await {
            Ok(link) => {
                wait = RETRY.0;
                tracing::debug!(%endpoint, "gossiping");
                carry(link, true, nearby, reports.clone(), Greeted::default()).await
            }
            Err(error) => Err(error),
        };
        tracing::debug!(%endpoint, reason = %reason(&ended), ?wait, "no gossip");
        tokio::select! {
            // Half of it is jitter, so that not all nodes dial a restarted hub at once.
            () = tokio::time::sleep(wait.mul_f64(0.5 + 0.5 * fastrand::f64())) => {}
            () = network_changes.notified() => wait = RETRY.0,
        }
        wait = wait.saturating_mul(2).min(RETRY.1);
    }
}

/// Joins the link to the hub until it ends.
async fn carry(
    link: GossipLink,
    dialled: bool,
    nearby: bool,
    reports: mpsc::Sender<HubMessage>,
    greeted: Greeted,
) -> Result<(), LinkError> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let (here, given_up) = oneshot::channel();
    let neighbour = Neighbour::new(queue, here, dialled, nearby, link.key, greeted);
    let id = neighbour.id();
    let gone = |_| LinkError::Closed;
    reports
        .send(HubMessage::Up(neighbour))
        .await
        .map_err(gone)?;
    let ended = tokio::select! {
        ended = link.run(id, waiting, &reports) => ended,
        _ = given_up => Err(LinkError::Slow),
    };
    reports.send(HubMessage::Down(id)).await.map_err(gone)?;
    ended
}

fn reason(ended: &Result<(), LinkError>) -> String {
    match ended {
        Ok(()) => "the end".to_owned(),
        Err(error) => error.to_string(),
    }
}
