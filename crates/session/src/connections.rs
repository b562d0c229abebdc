//! The connections of an inbox, and which of them gives way when there are too many.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::places::{NoPlace, Places};
use crate::receive_queue::ReceiveQueue;
use crate::{CloseReason, Identity, Link, LinkLimits, Source, descriptors};

/// How many connections of one identity may wait to be admitted. An honest one waits for
/// as long as it takes to read its first message.
const CLAIMS: usize = 4;

/// The connections that haven't ended.
pub(crate) struct Connections {
    by_identity: BTreeMap<Identity, SmallVec<[Arc<ReceiveQueue>; 1]>>,
    /// Those that aren't admitted, the oldest first.
    waiting: BTreeMap<u64, Arc<ReceiveQueue>>,
    /// How many of them may come over sockets.
    most_waiting: usize,
    tcp: Places,
    ipc: Places,
    memory: Places,
}

impl Connections {
    /// Each kind of link has places of its own.
    pub(crate) fn new(limits: &LinkLimits) -> Self {
        let places = || Places::new(limits.connections, limits.connections_per_addr);
        Self {
            by_identity: BTreeMap::new(),
            waiting: BTreeMap::new(),
            most_waiting: (limits.connections >> 3).max(1).min(descriptors::share()),
            tcp: places(),
            ipc: places(),
            memory: places(),
        }
    }

    fn places(&mut self, link: Link) -> &mut Places {
        match link {
            Link::Tcp => &mut self.tcp,
            Link::Ipc => &mut self.ipc,
            Link::Inproc => &mut self.memory,
        }
    }

    /// The connections of an identity, the oldest first.
    pub(crate) fn of(&self, identity: &Identity) -> &[Arc<ReceiveQueue>] {
        self.by_identity
            .get(identity)
            .map_or(&[], |connections| connections)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<ReceiveQueue>> {
        self.by_identity.values().flatten()
    }

    /// Whether there is a place for one more. If only because another gives way, that
    /// one is returned.
    ///
    /// # Errors
    /// The limit that was reached.
    pub(crate) fn room(
        &mut self,
        source: &Source,
        waits: bool,
    ) -> Result<Option<Arc<ReceiveQueue>>, CloseReason> {
        let (link, ip) = (source.link, ip_of(source));
        if let Err(none) = self.places(link).check(ip) {
            let (limit, gives_way) = match none {
                NoPlace::All => ("connections", self.silent(|it| it.link == link)),
                NoPlace::Address => (
                    "connections_per_addr",
                    self.silent(|it| it.link == link && ip_of(it) == ip),
                ),
            };
            return gives_way.map(Some).ok_or(CloseReason::Limit(limit));
        }
        if !waits {
            return Ok(None);
        }
        let identity = &source.identity;
        let claims = self.of(identity).iter().filter(|it| !it.is_admitted());
        if claims.count() >= CLAIMS {
            let gives_way = self
                .silent(|it| it.identity == *identity && ip_of(it) == ip)
                .or_else(|| self.silent(|it| it.identity == *identity));
            return gives_way.map(Some).ok_or(CloseReason::Limit("connections"));
        }
        Ok(self.too_many_wait())
    }

    /// One that gives way because too many wait: of the address that has the most.
    fn too_many_wait(&self) -> Option<Arc<ReceiveQueue>> {
        let over_sockets = |it: &&Arc<ReceiveQueue>| it.from().link != Link::Inproc;
        let mut by_addr: HashMap<Option<IpAddr>, usize> = HashMap::new();
        if self.waiting.len() < self.most_waiting {
            return None;
        }
        for waiting in self.waiting.values().filter(over_sockets) {
            let here = by_addr.entry(ip_of(waiting.from())).or_default();
            *here = here.saturating_add(1);
        }
        if by_addr.values().sum::<usize>() < self.most_waiting {
            return None;
        }
        let (busiest, _) = by_addr.into_iter().max_by_key(|(_, count)| *count)?;
        self.silent(|it| it.link != Link::Inproc && ip_of(it) == busiest)
    }

    /// The one to give way among those that wait and of which nothing is unread: the
    /// oldest that has sent nothing, else the oldest.
    pub(crate) fn silent(&self, fits: impl Fn(&Source) -> bool) -> Option<Arc<ReceiveQueue>> {
        let mut spoken = None;
        for waiting in self.waiting.values().filter(|it| fits(it.from())) {
            match waiting.has_spoken() {
                Some(false) => return Some(Arc::clone(waiting)),
                Some(true) if spoken.is_none() => spoken = Some(waiting),
                _ => {}
            }
        }
        spoken.cloned()
    }

    pub(crate) fn insert(&mut self, queue: &Arc<ReceiveQueue>, waits: bool) {
        let from = queue.from();
        self.places(from.link).take(ip_of(from));
        if waits {
            self.waiting.insert(queue.connection(), Arc::clone(queue));
        }
        let identity = from.identity.clone();
        let connections = self.by_identity.entry(identity).or_default();
        connections.push(Arc::clone(queue));
    }

    /// Removes one that has ended, if it is here.
    pub(crate) fn remove(&mut self, queue: &Arc<ReceiveQueue>) {
        let from = queue.from();
        let Some(connections) = self.by_identity.get_mut(&from.identity) else {
            return;
        };
        let before = connections.len();
        connections.retain(|it| !Arc::ptr_eq(it, queue));
        if connections.len() == before {
            return;
        }
        if connections.is_empty() {
            self.by_identity.remove(&from.identity);
        }
        self.waiting.remove(&queue.connection());
        self.places(from.link).give_back(ip_of(from));
    }

    /// Admits one that waits. Returns the one whose place it takes, if any.
    pub(crate) fn admit(&mut self, connection: u64) -> Option<Arc<ReceiveQueue>> {
        let queue = self.waiting.remove(&connection)?;
        let mut older = self.of(&queue.from().identity).iter();
        let older = older.find(|it| it.is_admitted()).cloned();
        queue.admit();
        older
    }

    /// One that waits.
    pub(crate) fn waiting(&self, connection: u64) -> Option<Arc<ReceiveQueue>> {
        self.waiting.get(&connection).cloned()
    }
}

fn ip_of(source: &Source) -> Option<IpAddr> {
    source.addr.map(|addr| addr.ip())
}
