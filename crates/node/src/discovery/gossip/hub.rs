//! What all connections share: the table, and passing tuples on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;
use zre_proto::machine::{Found, Source};
use zre_proto::{Endpoint, is_of_one_host};

use super::clients::Greeted;
use super::message::GossipMessage;
use super::table::{Effect, TupleTable};
use crate::discovery::{DiscoveryUpdate, UpdateSender};
use crate::driver::Key;

/// The interval of periodic work. Tuples expire with this precision.
const TICK: Duration = Duration::from_secs(5);

/// A server may give up a client that is silent for a minute. A PING every 20 s is
/// enough even if one is late. (czmq 4.2.1 was seen to wait longer.)
const PING_TICKS: u64 = 4;

/// Our tuple is published again every 30 s and is valid for three times as long, so that
/// nodes of this library forget a node that died. (czmq never forgets.)
const RENEW_TICKS: u64 = 6;
const TTL: Duration = Duration::from_secs(90);

/// The bytes that may wait for all neighbours together. A newcomer is sent the whole
/// table, which can have 5 MiB, and may read as slowly as it likes for 10 s.
const QUEUED: usize = 64 << 20;

/// The number of a connection, which is never reused.
pub(super) type NeighbourId = u64;

/// What connections, the driver and the application send to the hub.
#[derive(Debug)]
pub(super) enum HubMessage {
    Up(Neighbour),
    Heard(NeighbourId, GossipMessage),
    Down(NeighbourId),
    Forget(Uuid),
    /// The holders of these keys aren't trusted any more.
    #[cfg(feature = "curve")]
    Deny(Vec<Key>),
    Publish {
        key: String,
        value: String,
        ttl: Option<Duration>,
        /// Whether there was room.
        reply: oneshot::Sender<bool>,
    },
    Unpublish {
        key: String,
        /// Whether it was known.
        reply: oneshot::Sender<bool>,
    },
    List(oneshot::Sender<BTreeMap<String, String>>),
}

/// Encoded messages for one neighbour, counted until they are written.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) messages: Vec<Bytes>,
    permit: OwnedSemaphorePermit,
    /// What that neighbour holds.
    held: Arc<AtomicUsize>,
}

impl Batch {
    /// `None` if there is no room for it.
    pub(super) fn new(
        messages: &[GossipMessage],
        room: &Arc<Semaphore>,
        held: &Arc<AtomicUsize>,
    ) -> Option<Self> {
        let messages: Vec<Bytes> = messages.iter().map(GossipMessage::encode).collect();
        let bytes = messages
            .iter()
            .map(|message| message.len().saturating_add(size_of::<Bytes>()))
            .fold(0, usize::saturating_add);
        let permit = Arc::clone(room).try_acquire_many_owned(u32::try_from(bytes).ok()?);
        let permit = permit.ok()?;
        held.fetch_add(bytes, Ordering::Relaxed);
        Some(Self {
            messages,
            permit,
            held: Arc::clone(held),
        })
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let bytes = self.permit.num_permits();
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The node at the other end of a connection.
#[derive(Debug)]
pub(super) struct Neighbour {
    id: NeighbourId,
    queue: mpsc::Sender<Batch>,
    /// The bytes in its queue.
    held: Arc<AtomicUsize>,
    /// Dropped with this; its connection then ends, even in the middle of a write.
    _here: oneshot::Sender<()>,
    /// Whether this node dialled, and is the client.
    dialled: bool,
    /// Whether it is on this host, and its loopback addresses are valid here.
    nearby: bool,
    /// The key that it has proved.
    #[cfg_attr(not(feature = "curve"), expect(dead_code))]
    key: Option<Key>,
    /// Whether it has said HELLO, or was sent ours.
    greeted: Greeted,
    /// When it last asked for everything.
    told: Option<Instant>,
}

impl Neighbour {
    pub(super) fn new(
        queue: mpsc::Sender<Batch>,
        here: oneshot::Sender<()>,
        dialled: bool,
        nearby: bool,
        key: Option<Key>,
        greeted: Greeted,
    ) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            id: LAST.fetch_add(1, Ordering::Relaxed),
            queue,
            held: Arc::default(),
            _here: here,
            dialled,
            nearby,
            key,
            greeted,
            told: None,
        }
    }

    pub(super) fn id(&self) -> NeighbourId {
        self.id
    }
}

#[derive(Debug)]
pub(super) struct Hub {
    uuid: Uuid,
    /// Where others are to dial this node.
    endpoint: watch::Receiver<Endpoint>,
    /// The text of our key, if we have one.
    own_key: Option<String>,
    table: TupleTable,
    neighbours: BTreeMap<NeighbourId, Neighbour>,
    /// What is left of [`QUEUED`].
    room: Arc<Semaphore>,
    updates: UpdateSender,
}

impl Hub {
    pub(super) fn new(
        uuid: Uuid,
        endpoint: watch::Receiver<Endpoint>,
        key: Option<String>,
        updates: UpdateSender,
    ) -> Self {
        let mut hub = Self {
            uuid,
            endpoint,
            own_key: key,
            table: TupleTable::default(),
            neighbours: BTreeMap::new(),
            room: Arc::new(Semaphore::new(QUEUED)),
            updates,
        };
        hub.tell_endpoint();
        hub
    }

    fn tell_endpoint(&mut self) {
        let key = key_of(self.uuid);
        let mut endpoint = self.endpoint.borrow_and_update().to_wire();
        if let Some(own) = &self.own_key {
            // As C Zyre has it.
            endpoint.push('|');
            endpoint.push_str(own);
        }
        self.table
            .publish(Instant::now(), key.clone(), endpoint, None);
        self.pass_on(&key, None);
    }

    pub(super) async fn run(mut self, mut reports: mpsc::Receiver<HubMessage>) {
        let mut clock = tokio::time::interval(TICK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ticks = 0u64;
        loop {
            tokio::select! {
                report = reports.recv() => match report {
                    Some(report) => self.handle(report).await,
                    None => return,
                },
                Ok(()) = self.endpoint.changed() => self.tell_endpoint(),
                _ = clock.tick() => {
                    ticks = ticks.saturating_add(1);
                    self.tick(ticks).await;
                }
            }
        }
    }

    async fn handle(&mut self, report: HubMessage) {
        match report {
            HubMessage::Up(neighbour) => {
                let id = neighbour.id;
                let dialled = neighbour.dialled;
                self.neighbours.insert(id, neighbour);
                if dialled {
                    self.greet(id);
                }
            }
            HubMessage::Down(id) => {
                self.neighbours.remove(&id);
            }
            #[cfg(feature = "curve")]
            HubMessage::Deny(keys) => {
                let stays = |key: &Option<Key>| !key.is_some_and(|key| keys.contains(&key));
                self.neighbours.retain(|_, neighbour| stays(&neighbour.key));
            }
            HubMessage::Forget(uuid) => {
                for key in [key_of(uuid), uuid.simple().to_string()] {
                    if uuid != self.uuid
                        && let Some(value) = self.table.unpublish(&key)
                    {
                        self.lose(&key, &value).await;
                    }
                }
            }
            HubMessage::Publish {
                key,
                value,
                ttl,
                reply,
            } => {
                let published = self.publish(key, value, ttl).await;
                let _ = reply.send(published);
            }
            HubMessage::Unpublish { key, reply } => {
                let before = self.table.unpublish(&key);
                if let Some(value) = &before {
                    self.lose(&key, value).await;
                }
                let _ = reply.send(before.is_some());
            }
            HubMessage::List(reply) => {
                let _ = reply.send(self.table.all());
            }
            HubMessage::Heard(id, message) => self.hear(id, message).await,
        }
    }

    /// Publishes for the application.
    async fn publish(&mut self, key: String, value: String, ttl: Option<Duration>) -> bool {
        let now = Instant::now();
        let Some(before) = self.table.publish(now, key.clone(), value.clone(), ttl) else {
            return false;
        };
        self.pass_on(&key, None);
        if before.as_ref() != Some(&value) {
            if let Some(before) = before {
                self.lose(&key, &before).await;
            }
            self.find(&key, &value, true).await;
        }
        true
    }

    async fn hear(&mut self, id: NeighbourId, message: GossipMessage) {
        let Some(neighbour) = self.neighbours.get_mut(&id) else {
            return;
        };
        match message {
            GossipMessage::Hello if !neighbour.dialled => {
                neighbour.greeted.set();
                self.tell_everything(id, None);
            }
            GossipMessage::Ping if !neighbour.dialled => {
                let answer = match neighbour.greeted.is_set() {
                    true => GossipMessage::Pong,
                    false => GossipMessage::Invalid,
                };
                self.say(id, &[answer]);
            }
            GossipMessage::Invalid if neighbour.dialled => self.greet(id),
            GossipMessage::Publish { key, value, ttl } => {
                if !neighbour.dialled && !neighbour.greeted.is_set() {
                    self.say(id, &[GossipMessage::Invalid]);
                    return;
                }
                let nearby = neighbour.nearby;
                let heard = self.table.hear(Instant::now(), &key, &value, ttl);
                if heard == Effect::Nothing {
                    return;
                }
                self.pass_on(&key, Some(id));
                if let Effect::Changed(before) = heard {
                    if let Some(before) = before {
                        self.lose(&key, &before).await;
                    }
                    self.find(&key, &value, nearby).await;
                }
            }
            GossipMessage::Hello
            | GossipMessage::Ping
            | GossipMessage::Pong
            | GossipMessage::Invalid => {}
        }
    }

    async fn tick(&mut self, ticks: u64) {
        let over = self.table.expire(Instant::now());
        for (key, value) in over {
            tracing::debug!(%key, "a tuple has run out");
            self.lose(&key, &value).await;
        }
        // Those that were given up before they had greeted.
        self.neighbours
            .retain(|_, neighbour| !neighbour.queue.is_closed());
        for key in self.table.take_again(Instant::now()) {
            self.pass_on(&key, None);
        }
        if ticks.is_multiple_of(PING_TICKS) {
            let dialled = |neighbour: &&Neighbour| neighbour.dialled;
            let ids = self.neighbours.values().filter(dialled);
            for id in ids.map(Neighbour::id).collect::<Vec<_>>() {
                self.say(id, &[GossipMessage::Ping]);
            }
        }
        if ticks.is_multiple_of(RENEW_TICKS) {
            for key in self.table.renewed() {
                self.pass_on(&key, None);
            }
        }
    }

    /// HELLO first, or czmq ignores the client.
    fn greet(&mut self, id: NeighbourId) {
        self.tell_everything(id, Some(GossipMessage::Hello));
        if let Some(neighbour) = self.neighbours.get_mut(&id) {
            neighbour.greeted.set();
        }
    }

    /// Sends everything that is known, at most once a second: a neighbour that asks more
    /// often is given up.
    fn tell_everything(&mut self, id: NeighbourId, first: Option<GossipMessage>) {
        let now = Instant::now();
        let Some(neighbour) = self.neighbours.get_mut(&id) else {
            return;
        };
        let told = neighbour.told.replace(now);
        if told.is_some_and(|told| now.duration_since(told) < Duration::from_secs(1)) {
            tracing::debug!("a neighbour asks for everything too often");
            self.neighbours.remove(&id);
            return;
        }
        self.make_room();
        let keys = self.table.keys();
        let tuples = keys
            .iter()
            .filter_map(|key| self.table.message(now, TTL, key));
        let all: Vec<GossipMessage> = first.into_iter().chain(tuples).collect();
        self.say(id, &all);
    }

    fn pass_on(&mut self, key: &str, except: Option<NeighbourId>) {
        let Some(message) = self.table.message(Instant::now(), TTL, key) else {
            return;
        };
        self.make_room();
        let to =
            |neighbour: &&Neighbour| neighbour.greeted.is_set() && Some(neighbour.id) != except;
        let ids = self.neighbours.values().filter(to);
        for id in ids.map(Neighbour::id).collect::<Vec<_>>() {
            self.say(id, std::slice::from_ref(&message));
        }
    }

    /// Ends connections before the room is used up: the oldest of those that hold the most,
    /// not the next that needs some.
    fn make_room(&mut self) {
        if self.room.available_permits() >= QUEUED / 4 {
            return;
        }
        let held = |neighbour: &Neighbour| neighbour.held.load(Ordering::Relaxed);
        loop {
            let here = self.neighbours.values().map(held);
            let (all, most) = here.fold((0usize, 0), |(all, most), bytes| {
                (all.saturating_add(bytes), bytes.max(most))
            });
            let mut here = self.neighbours.values();
            let oldest = here.find(|neighbour| held(neighbour) >= most.div_ceil(2));
            let (true, Some(id)) = (all > QUEUED / 4 * 3, oldest.map(Neighbour::id)) else {
                return;
            };
            tracing::debug!("a neighbour doesn't read, and others need the room");
            self.neighbours.remove(&id);
        }
    }

    /// Never waits.
    fn say(&mut self, id: NeighbourId, messages: &[GossipMessage]) {
        let Some(neighbour) = self.neighbours.get(&id) else {
            return;
        };
        if messages.is_empty() {
            return;
        }
        let batch = Batch::new(messages, &self.room, &neighbour.held);
        if batch.is_none_or(|batch| neighbour.queue.try_send(batch).is_err()) {
            tracing::debug!("a neighbour doesn't read, or too many don't");
            self.neighbours.remove(&id);
        }
    }

    async fn find(&self, key: &str, value: &str, nearby: bool) {
        let Ok(uuid) = Uuid::try_parse(key) else {
            return;
        };
        if uuid == self.uuid {
            return;
        }
        let Some(endpoint) = endpoint_of(value) else {
            tracing::debug!(%key, "a tuple whose endpoint can't be dialled");
            return;
        };
        if !nearby && !endpoint.is_of_another_host() {
            tracing::debug!(%key, "a tuple of another host that names loopback");
            return;
        }
        if let Some((_, key)) = value.split_once('|') {
            let (endpoint, key) = (endpoint.clone(), key.into());
            let named = DiscoveryUpdate::Key { endpoint, key };
            let _ = self.updates.send(named).await;
        }
        let mut found = Found::new(endpoint, Some(uuid), Source::Gossip);
        if !nearby {
            found = found.by_another_host();
        }
        // An error means that the driver has stopped; the hub ends with it.
        let _ = self.updates.send(DiscoveryUpdate::Found(found)).await;
    }

    async fn lose(&self, key: &str, value: &str) {
        // The value of another tuple may look like an endpoint, too.
        if Uuid::try_parse(key).is_ok()
            && let Some(endpoint) = endpoint_of(value)
        {
            let source = Source::Gossip;
            let _ = self
                .updates
                .send(DiscoveryUpdate::Lost { endpoint, source })
                .await;
        }
    }
}

/// A node's key, as C Zyre writes it.
fn key_of(uuid: Uuid) -> String {
    uuid.simple().to_string().to_uppercase()
}

/// Reads `endpoint` or `endpoint|public key`. Refuses ipc, which is meaningless on
/// another host, and addresses that stand for many.
pub(super) fn endpoint_of(value: &str) -> Option<Endpoint> {
    let text = value.split('|').next()?;
    let endpoint = Endpoint::from_wire(text).ok()?.canonical();
    let dialled = match &endpoint {
        Endpoint::Ipc(_) => false,
        other => other.ip().is_none_or(is_of_one_host),
    };
    dialled.then_some(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was put into a neighbour's queue.
    async fn told(queue: &mut mpsc::Receiver<Batch>) -> Vec<GossipMessage> {
        let encoded = queue.recv().await.unwrap();
        let decoded = encoded
            .messages
            .iter()
            .map(|bytes| GossipMessage::decode(bytes).unwrap());
        decoded.collect()
    }

    #[cfg(feature = "curve")]
    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_with_the_trust_in_its_key() {
        let (updates, _heard) = crate::discovery::test_channel();
        let (reports, inbox) = mpsc::channel(8);
        let (_own, endpoint) = watch::channel("tcp://10.0.0.1:5".parse().unwrap());
        tokio::spawn(Hub::new(Uuid::from_u128(7), endpoint, None, updates).run(inbox));
        let mut connections = Vec::new();
        for key in [None, Some([1; 32]), Some([2; 32])] {
            let (queue, waiting) = mpsc::channel(8);
            let (here, ended) = oneshot::channel::<()>();
            let neighbour = Neighbour::new(queue, here, false, false, key, Greeted::default());
            reports.send(HubMessage::Up(neighbour)).await.unwrap();
            connections.push((waiting, ended));
        }
        reports
            .send(HubMessage::Deny(vec![[1; 32], [3; 32]]))
            .await
            .unwrap();
        let [plain, gone, stays] = &mut connections[..] else {
            panic!("three connections");
        };
        assert!((&mut gone.1).await.is_err());
        for (_, ended) in [plain, stays] {
            assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_says_hello_then_pings_and_renews() {
        let uuid = Uuid::from_u128(7);
        let endpoint: Endpoint = "tcp://10.0.0.1:5".parse().unwrap();
        let (updates, mut heard) = crate::discovery::test_channel();
        let (reports, inbox) = mpsc::channel(8);
        let (own_endpoint, endpoint) = watch::channel(endpoint);
        tokio::spawn(Hub::new(uuid, endpoint, None, updates).run(inbox));
        let (queue, mut waiting) = mpsc::channel(8);
        let (here, _ended) = oneshot::channel();
        let neighbour = Neighbour::new(queue, here, true, false, None, Greeted::default());
        let id = neighbour.id();
        reports.send(HubMessage::Up(neighbour)).await.unwrap();

        let start = Instant::now();
        let own = GossipMessage::Publish {
            key: format!("{uuid:X}").replace('-', ""),
            value: "tcp://10.0.0.1:5".into(),
            ttl: 90_000,
        };
        assert_eq!(
            told(&mut waiting).await,
            [GossipMessage::Hello, own.clone()]
        );
        assert_eq!(told(&mut waiting).await, [GossipMessage::Ping]);
        assert!(start.elapsed() <= Duration::from_secs(20));
        assert_eq!(told(&mut waiting).await, [own]);
        assert!(start.elapsed() <= Duration::from_secs(30));
        own_endpoint.send_replace("tcp://10.0.0.9:5".parse().unwrap());
        let moved = GossipMessage::Publish {
            key: format!("{uuid:X}").replace('-', ""),
            value: "tcp://10.0.0.9:5".into(),
            ttl: 90_000,
        };
        assert_eq!(told(&mut waiting).await, [moved]);

        let other = GossipMessage::Publish {
            key: format!("{:032x}", 8),
            value: "tcp://10.0.0.2:5|key".into(),
            ttl: 60_000,
        };
        reports.send(HubMessage::Heard(id, other)).await.unwrap();
        let Some(DiscoveryUpdate::Key { endpoint, key }) = heard.recv().await else {
            panic!("its key is to be known first");
        };
        assert_eq!(
            (endpoint.to_string().as_str(), &*key),
            ("tcp://10.0.0.2:5", "key")
        );
        let Some(DiscoveryUpdate::Found(found)) = heard.recv().await else {
            panic!("it is to be dialled");
        };
        assert_eq!(found.peer, Some(Uuid::from_u128(8)));
        assert_eq!(found.endpoint.to_string(), "tcp://10.0.0.2:5");
        let found_at = Instant::now();
        // It isn't renewed.
        let Some(DiscoveryUpdate::Lost { endpoint, .. }) = heard.recv().await else {
            panic!("it is to be forgotten");
        };
        assert_eq!(endpoint, found.endpoint);
        let kept = found_at.elapsed();
        assert!((60..=65).contains(&kept.as_secs()), "{kept:?}");
    }

    #[test]
    fn neighbours_that_never_read_keep_no_newcomer_out() {
        let (updates, _heard) = crate::discovery::test_channel();
        let (_own, endpoint) = watch::channel("tcp://10.0.0.1:5".parse().unwrap());
        let mut hub = Hub::new(Uuid::from_u128(7), endpoint, None, updates);
        let now = Instant::now();
        for n in 1..crate::discovery::gossip::table::TUPLES {
            let key = format!("{n:0>250}");
            hub.table.publish(now, key, "v".repeat(1000), None).unwrap();
        }
        let mut links: Vec<(mpsc::Receiver<Batch>, oneshot::Receiver<()>)> = Vec::new();
        for number in 0..50 {
            let (queue, waiting) = mpsc::channel(8);
            let (here, ended) = oneshot::channel();
            let neighbour = Neighbour::new(queue, here, false, false, None, Greeted::default());
            let id = neighbour.id();
            hub.neighbours.insert(id, neighbour);
            hub.greet(id);
            assert!(!waiting.is_empty(), "number {number} is sent everything");
            links.push((waiting, ended));
            let used = QUEUED - hub.room.available_permits();
            assert!(number < 20 || used > QUEUED / 2, "{used}");
            // Connections end once they have been given up.
            let empty = oneshot::error::TryRecvError::Empty;
            links.retain_mut(|(_, ended)| ended.try_recv() == Err(empty.clone()));
            assert_eq!(hub.neighbours.len(), links.len());
        }
        // They have been read, and there is room again.
        drop(links);
        assert_eq!(hub.room.available_permits(), QUEUED);
        let all = hub.neighbours.values();
        assert!(
            all.map(|it| it.held.load(Ordering::Relaxed))
                .all(|held| held == 0)
        );
    }

    #[test]
    fn only_what_can_be_dialled() {
        let read = |value: &str| endpoint_of(value).map(|endpoint| endpoint.to_string());
        let plain = Some("tcp://10.0.0.1:5".to_owned());
        assert_eq!(read("tcp://10.0.0.1:5"), plain);
        assert_eq!(
            read("tcp://10.0.0.1:5|rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"),
            plain
        );
        for value in [
            "",
            "|",
            "tcp://0.0.0.0:5",
            "tcp://*:5",
            "ipc:///tmp/x",
            "inproc://x",
            "tcp://239.1.1.1:5",
            "tcp://255.255.255.255:5",
            "tcp://[::ffff:0.0.0.0]:5",
            "tcp://[::ffff:239.1.1.1]:5",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
