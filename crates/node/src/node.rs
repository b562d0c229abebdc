use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;
use zre_proto::{Endpoint, State, shout_header, whisper_header};
use zre_session::{Links, TrySendError};

use crate::directory::Directory;
use crate::driver::Request;
use crate::{Builder, CommandError, Message, Peer, PeerRef, SendError, Stats, WaitError};

/// What happens when the queue to a peer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendPolicy {
    /// Wait until there is room, but no longer than that; then
    /// [`SendError::Full`]. The bound keeps two nodes whose queues are both
    /// full from waiting for each other for ever.
    Wait(Duration),
    /// [`SendError::Full`] at once.
    Reject,
    /// Give the peer up: its session ends, and it may come back by itself.
    Disconnect,
}

impl Default for SendPolicy {
    /// Waits for up to 10 s.
    fn default() -> Self {
        Self::Wait(Duration::from_secs(10))
    }
}

/// What became of a shout.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Shouted {
    /// For how many members the message was accepted.
    pub accepted: usize,
    /// Those whose queues had no room in time.
    pub full: Vec<Peer>,
    /// Those who went meanwhile.
    pub gone: Vec<Peer>,
}

/// A node on the network.
///
/// A cheap clone: all clones are the same node. When the last one is dropped,
/// the node leaves at once, with one EXIT beacon and without flushing; use
/// [`shutdown`](Self::shutdown) to leave properly. [`Peer`]s and
/// [`Events`](crate::Events) don't keep it alive.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

struct Shared {
    uuid: Uuid,
    name: String,
    endpoint: Endpoint,
    links: Links,
    policy: SendPolicy,
    view: Arc<View>,
    requests: mpsc::Sender<Request>,
}

/// The directory, shared with the driver.
#[derive(Debug)]
pub(crate) struct View {
    directory: RwLock<Directory>,
    changed: Notify,
}

impl View {
    pub(crate) fn new(own_groups: impl Iterator<Item = Arc<str>>) -> Arc<Self> {
        let directory = Directory {
            own_groups: own_groups.collect(),
            ..Directory::default()
        };
        Arc::new(Self {
            directory: RwLock::new(directory),
            changed: Notify::new(),
        })
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) {
        self.changed.notify_waiters();
    }
}

impl Node {
    /// Settings for a new node.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        uuid: Uuid,
        name: String,
        endpoint: Endpoint,
        links: Links,
        policy: SendPolicy,
        view: Arc<View>,
        requests: mpsc::Sender<Request>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                uuid,
                name,
                endpoint,
                links,
                policy,
                view,
                requests,
            }),
        }
    }

    /// Who we are.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.shared.uuid
    }

    /// Our public name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// An endpoint at which we can be dialled. A node with several interfaces
    /// has one on each, with the same port.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// The addresses that we listen on.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        self.shared.links.listening()
    }

    /// The unix socket for peers on this host, or why there is none.
    ///
    /// # Errors
    /// What keeps the directory from being used; such peers are then reached by
    /// tcp.
    pub fn ipc_path(&self) -> Result<&Path, &str> {
        let links = &self.shared.links;
        links
            .ipc_path()
            .ok_or_else(|| links.ipc_unavailable().unwrap_or("ipc is off"))
    }

    /// Joins a group, and tells every peer. True where we weren't in it.
    ///
    /// # Errors
    /// A name that is empty or longer than 255 bytes, too many groups, or a
    /// node that has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the group may or may not have been joined.
    pub async fn join(&self, group: impl Into<String>) -> Result<bool, CommandError> {
        let group = group.into();
        let joined = self.ask(|reply| Request::Join(group, reply)).await?;
        Ok(joined?)
    }

    /// Leaves a group, and tells every peer. True where we were in it.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the group may or may not have been left.
    pub async fn leave(&self, group: impl Into<String>) -> Result<bool, CommandError> {
        let group = group.into();
        self.ask(|reply| Request::Leave(group, reply)).await
    }

    /// Shows another state, at once, in a beacon and to every peer that knows
    /// of states.
    ///
    /// # Errors
    /// A state that only the protocol sets (exit, 6 to 127), or a node that has
    /// stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the state may or may not have been set.
    pub async fn set_state(&self, state: State) -> Result<(), CommandError> {
        if !state.is_settable() {
            return Err(CommandError::State(state));
        }
        self.ask(|reply| Request::SetState(state, reply)).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let stopped = |_| CommandError::Stopped;
        self.shared
            .requests
            .send(request(reply))
            .await
            .map_err(|_| CommandError::Stopped)?;
        answer.await.map_err(stopped)
    }

    /// Sends a message to one peer.
    ///
    /// `Ok` says that the message is in the queue to the peer, and will arrive
    /// in order unless the peer exits first: `Event::Exit` then counts what may
    /// have been lost. Where the queue is full, the node's [`SendPolicy`]
    /// decides.
    ///
    /// # Errors
    /// The peer isn't here, isn't the only one of that name, is gone, or can't
    /// take the message. It then went nowhere.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the message wasn't sent.
    pub async fn whisper(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        self.whisper_with(to, message, self.shared.policy).await
    }

    /// As [`whisper`](Self::whisper), with a policy for this message alone.
    ///
    /// # Errors
    /// As [`whisper`](Self::whisper).
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the message wasn't sent.
    pub async fn whisper_with(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
        policy: SendPolicy,
    ) -> Result<(), SendError> {
        let peer = self.find(to)?;
        let message = message.into();
        let mut header = whisper_header(0);
        match send(&peer, &mut header, &message) {
            Err(SendError::Full) => {
                insist_until(&peer, &mut header, &message, policy, deadline(policy)).await
            }
            other => other,
        }
    }

    /// As [`whisper`](Self::whisper), but never waits: a full queue is
    /// [`SendError::Full`], whatever the policy.
    ///
    /// # Errors
    /// As [`whisper`](Self::whisper).
    pub fn try_whisper(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        let peer = self.find(to)?;
        send(&peer, &mut whisper_header(0), &message.into())
    }

    /// Sends a message to every peer in a group, whether we are in it or not.
    ///
    /// The message is queued for all who have room first; only then are the
    /// others waited for, so that nobody waits for a slow one.
    ///
    /// # Errors
    /// A group name that can't be, a message that is too large for anybody, or
    /// a node that has stopped. What becomes of each member is in the result.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, those members who had no
    /// room don't get the message.
    pub async fn shout(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<Shouted, SendError> {
        self.shout_with(group, message, self.shared.policy).await
    }

    /// As [`shout`](Self::shout), with a policy for this message alone.
    ///
    /// # Errors
    /// As [`shout`](Self::shout).
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, those members who had no
    /// room don't get the message.
    pub async fn shout_with(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
        policy: SendPolicy,
    ) -> Result<Shouted, SendError> {
        let message = message.into();
        let (mut header, mut shouted) = self.shout_to_ready(group.as_ref(), &message)?;
        if !shouted.full.is_empty() && policy != SendPolicy::Reject {
            // One patience for all of them.
            let deadline = deadline(policy);
            for peer in std::mem::take(&mut shouted.full) {
                match insist_until(&peer, &mut header, &message, policy, deadline).await {
                    Ok(()) => shouted.accepted += 1,
                    Err(SendError::Full) => shouted.full.push(peer),
                    Err(_) => shouted.gone.push(peer),
                }
            }
        }
        Ok(shouted)
    }

    /// As [`shout`](Self::shout), but never waits: members whose queues have no
    /// room don't get the message and are named in the result.
    ///
    /// # Errors
    /// As [`shout`](Self::shout).
    pub fn try_shout(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<Shouted, SendError> {
        let (_, shouted) = self.shout_to_ready(group.as_ref(), &message.into())?;
        Ok(shouted)
    }

    fn shout_to_ready(
        &self,
        group: &str,
        message: &Message,
    ) -> Result<(zre_proto::Header, Shouted), SendError> {
        zre_proto::Limits::default().validate_group(group)?;
        let mut header = shout_header(group, 0);
        let mut shouted = Shouted::default();
        let directory = self.shared.view.read();
        if directory.stopped {
            return Err(SendError::Stopped);
        }
        for peer in directory
            .groups
            .get(group)
            .into_iter()
            .flatten()
            .map(|(_, peer)| peer)
        {
            match send(peer, &mut header, message) {
                Ok(()) => shouted.accepted += 1,
                Err(SendError::Full) => shouted.full.push(peer.clone()),
                Err(SendError::Gone) => shouted.gone.push(peer.clone()),
                Err(error) => return Err(error),
            }
        }
        Ok((header, shouted))
    }

    fn find(&self, whom: impl Into<PeerRef>) -> Result<Peer, SendError> {
        self.shared.view.read().find(&whom.into())
    }

    /// A peer that is here.
    ///
    /// # Errors
    /// Nobody of that UUID or name is here, or several of that name.
    pub fn peer(&self, whom: impl Into<PeerRef>) -> Result<Peer, SendError> {
        self.find(whom)
    }

    /// All peers that are here, by UUID.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.shared.view.read().peers.values().cloned().collect()
    }

    /// The peers in a group.
    #[must_use]
    pub fn peers_in(&self, group: &str) -> Vec<Peer> {
        let directory = self.shared.view.read();
        directory
            .groups
            .get(group)
            .map(|members| members.values().cloned().collect())
            .unwrap_or_default()
    }

    /// The peers in a group that are ready: not busy, draining or asleep.
    #[must_use]
    pub fn available(&self, group: &str) -> Vec<Peer> {
        let mut members = self.peers_in(group);
        members.retain(|peer| peer.state() == State::Ready);
        members
    }

    /// The groups that we are in.
    #[must_use]
    pub fn own_groups(&self) -> BTreeSet<Arc<str>> {
        self.shared.view.read().own_groups.clone()
    }

    /// The groups that any peer is in.
    #[must_use]
    pub fn peer_groups(&self) -> BTreeSet<Arc<str>> {
        self.shared.view.read().groups.keys().cloned().collect()
    }

    /// What the node holds and has counted so far.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn stats(&self) -> Result<Stats, CommandError> {
        self.ask(Request::Stats).await
    }

    /// Waits until at least that many peers are here, and returns them.
    ///
    /// # Errors
    /// Fewer were there when the time was over, or the node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_for_peers(
        &self,
        count: usize,
        timeout: Duration,
    ) -> Result<Vec<Peer>, WaitError> {
        self.wait_for(count, timeout, Self::peers).await
    }

    /// Waits until at least that many peers are in a group, and returns them.
    ///
    /// # Errors
    /// Fewer were in it when the time was over, or the node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_for_peers_in(
        &self,
        group: &str,
        count: usize,
        timeout: Duration,
    ) -> Result<Vec<Peer>, WaitError> {
        self.wait_for(count, timeout, |node| node.peers_in(group))
            .await
    }

    async fn wait_for(
        &self,
        wanted: usize,
        timeout: Duration,
        list: impl Fn(&Self) -> Vec<Peer>,
    ) -> Result<Vec<Peer>, WaitError> {
        let deadline = Instant::now() + timeout;
        loop {
            let changed = self.shared.view.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let peers = list(self);
            if peers.len() >= wanted {
                return Ok(peers);
            }
            if self.shared.view.read().stopped {
                return Err(WaitError::Stopped);
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                let found = peers.len();
                return Err(WaitError::Elapsed { found, wanted });
            }
        }
    }

    /// Leaves: shows Draining, waits until every peer has confirmed what was
    /// sent to it, says GOODBYE to each and EXIT in beacons. Takes about 50 ms
    /// where peers answer, and 5 s at the most where one doesn't.
    ///
    /// Nothing can be sent any more once this was called. Calling it again
    /// waits for the same end.
    ///
    /// # Cancel safety
    /// The node leaves all the same when the future is dropped.
    pub async fn shutdown(&self) {
        self.shutdown_within(Duration::from_secs(5)).await;
    }

    /// As [`shutdown`](Self::shutdown), waiting for peers that don't answer for
    /// as long as `patience`.
    ///
    /// # Cancel safety
    /// The node leaves all the same when the future is dropped, once it was
    /// polled.
    pub async fn shutdown_within(&self, patience: Duration) {
        let asked = self.ask(|reply| Request::Shutdown(patience, reply)).await;
        // Stopped: somebody else was faster.
        drop(asked);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("uuid", &self.uuid())
            .field("name", &self.name())
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}

fn send(peer: &Peer, header: &mut [u8], message: &Message) -> Result<(), SendError> {
    let outlet = peer.outlet();
    outlet
        .send_data(header, message.frames())
        .map_err(|error| match error {
            TrySendError::Full => {
                outlet.gauge().press(peer, bytes(header, message));
                SendError::Full
            }
            TrySendError::Closed => SendError::Gone,
            TrySendError::TooLarge { what, size, limit } => {
                SendError::TooLarge { what, size, limit }
            }
        })
}

/// What a message takes of a queue, as [`Mailbox::writable`] counts it.
///
/// [`Mailbox::writable`]: zre_session::Mailbox::writable
fn bytes(header: &[u8], message: &Message) -> usize {
    let further = message.frames().len().saturating_sub(1);
    header
        .len()
        .saturating_add(message.len())
        .saturating_add(further.saturating_mul(64))
}

/// Until when a full queue is waited for.
fn deadline(policy: SendPolicy) -> Instant {
    let now = Instant::now();
    match policy {
        // Longer than a clock can tell is for ever.
        SendPolicy::Wait(patience) => now.checked_add(patience).unwrap_or(now + FOR_EVER),
        SendPolicy::Reject | SendPolicy::Disconnect => now,
    }
}

/// A hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What the policy makes of a full queue.
async fn insist_until(
    peer: &Peer,
    header: &mut [u8],
    message: &Message,
    policy: SendPolicy,
    deadline: Instant,
) -> Result<(), SendError> {
    match policy {
        SendPolicy::Wait(_) => {}
        SendPolicy::Reject => return Err(SendError::Full),
        SendPolicy::Disconnect => {
            peer.outlet().close(Duration::ZERO);
            return Err(SendError::Gone);
        }
    }
    let bytes = bytes(header, message);
    loop {
        match tokio::time::timeout_at(deadline, peer.outlet().writable(bytes)).await {
            Err(_) => return Err(SendError::Full),
            Ok(Err(_)) => return Err(SendError::Gone),
            Ok(Ok(())) => match send(peer, header, message) {
                // Another sender was faster.
                Err(SendError::Full) => {}
                other => return other,
            },
        }
    }
}
