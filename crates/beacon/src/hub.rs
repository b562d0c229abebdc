//! What the beacons of a process share in one network namespace.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc};
use std::{io, thread};

use bytes::Bytes;
use mio::{Poll, Waker};

use crate::changes::Changes;
use crate::error::{OpenError, RefreshError};
use crate::lane::{Own, plain};
use crate::member::{Listener, Member};
use crate::namespace::Namespace;
use crate::worker::{WAKER, Worker};

/// The hubs of this process.
static HUBS: Mutex<BTreeMap<Namespace, Entry>> = Mutex::new(BTreeMap::new());

struct Entry {
    hub: Arc<Hub>,
    seats: usize,
}

fn hubs() -> MutexGuard<'static, BTreeMap<Namespace, Entry>> {
    HUBS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is heard: an interface's index, and the group's or broadcast address.
pub(crate) type Key = (u32, SocketAddr);

/// What a hub's thread is told.
pub(crate) enum Command {
    Join {
        member: Arc<Member>,
        reply: mpsc::SyncSender<Result<(), OpenError>>,
    },
    Refresh {
        member: Arc<Member>,
        reply: mpsc::SyncSender<Result<Changes, RefreshError>>,
    },
    Leave {
        id: u64,
    },
    Stop,
}

/// Who hears what, and which sources are our own: read by every sender and the thread.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) own: Arc<Own>,
    routes: RwLock<HashMap<Key, Arc<[Listener]>>>,
}

impl Shared {
    /// The listeners of a target. The lock isn't held while they are served, so that what
    /// their wakers do can't block a change.
    pub(crate) fn listeners(&self, key: &Key) -> Option<Arc<[Listener]>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(key).cloned()
    }

    pub(crate) fn has_listeners(&self, key: &Key) -> bool {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.contains_key(key)
    }

    /// Replaces all that a member hears.
    pub(crate) fn route(&self, id: u64, wanted: &HashMap<Key, Listener>) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        routes.retain(|_, listeners| {
            if listeners.iter().any(|l| l.member.id == id) {
                *listeners = listeners
                    .iter()
                    .filter(|l| l.member.id != id)
                    .cloned()
                    .collect();
            }
            !listeners.is_empty()
        });
        for (key, listener) in wanted {
            let listeners = routes.entry(*key).or_insert_with(|| Arc::new([]));
            *listeners = listeners
                .iter()
                .chain(std::iter::once(listener))
                .cloned()
                .collect();
        }
    }
}

/// A namespace's hub: the way to its thread. Ends the thread when dropped.
pub(crate) struct Hub {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    waker: Arc<Waker>,
}

impl Hub {
    /// Starts the thread. It inherits the namespace of the calling one, so that every
    /// socket it ever opens belongs there, whoever asks.
    fn start() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (commands, inbox) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let worker = Worker::new(poll, Arc::clone(&waker), inbox, Arc::clone(&shared));
        thread::Builder::new()
            .name("zre-beacon".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            shared,
            commands,
            waker,
        })
    }

    /// Whether the thread took the command; it doesn't if it has died.
    fn tell(&self, command: Command) -> bool {
        let told = self.commands.send(command).is_ok();
        if let Err(error) = self.waker.wake() {
            tracing::debug!(%error, "can't wake the beacon thread");
        }
        told
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.tell(Command::Stop);
    }
}

/// A member's place in a hub. The last one to go takes the hub along: its thread and
/// sockets end at once, but nobody waits for that.
pub(crate) struct Seat {
    namespace: Namespace,
    hub: Arc<Hub>,
    member: Arc<Member>,
}

impl Seat {
    /// Makes a member of the calling thread's namespace. Waits for the hub's thread, which
    /// takes as long as opening the sockets does.
    pub(crate) fn take(member: Arc<Member>) -> Result<Self, OpenError> {
        let namespace = Namespace::current();
        let hub = {
            let mut hubs = hubs();
            match hubs.get_mut(&namespace) {
                Some(entry) => {
                    entry.seats = entry.seats.saturating_add(1);
                    Arc::clone(&entry.hub)
                }
                None => {
                    let hub = Arc::new(Hub::start().map_err(OpenError::Thread)?);
                    let entry = Entry {
                        hub: Arc::clone(&hub),
                        seats: 1,
                    };
                    hubs.insert(namespace, entry);
                    hub
                }
            }
        };
        let seat = Self {
            namespace,
            hub,
            member,
        };
        let (reply, answer) = mpsc::sync_channel(1);
        seat.hub.tell(Command::Join {
            member: Arc::clone(&seat.member),
            reply,
        });
        match answer.recv() {
            Ok(joined) => joined.map(|()| seat),
            Err(mpsc::RecvError) => {
                seat.evict();
                Err(OpenError::Stopped)
            }
        }
    }

    /// Takes a hub whose thread has died out of the way of the next open.
    fn evict(&self) {
        let mut hubs = hubs();
        if hubs
            .get(&self.namespace)
            .is_some_and(|entry| Arc::ptr_eq(&entry.hub, &self.hub))
        {
            hubs.remove(&self.namespace);
        }
    }

    pub(crate) fn member(&self) -> &Member {
        &self.member
    }

    pub(crate) fn refresh(&self) -> Result<Changes, RefreshError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.hub.tell(Command::Refresh {
            member: Arc::clone(&self.member),
            reply,
        });
        answer.recv().unwrap_or(Err(RefreshError::Stopped))
    }

    /// Hands what this member sends to the others of the process that hear it.
    pub(crate) fn send_inside(&self, key: &Key, payload: &Bytes, from: SocketAddr) {
        let Some(listeners) = self.hub.shared.listeners(key) else {
            return;
        };
        for listener in listeners.iter() {
            let other = &listener.member;
            let wants = || {
                other
                    .hears_process
                    .load(std::sync::atomic::Ordering::Relaxed)
            };
            if other.id != self.member.id && wants() {
                listener.deliver(payload, plain(from), true);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.tell(Command::Leave { id: self.member.id });
        let mut hubs = hubs();
        let Some(entry) = hubs.get_mut(&self.namespace) else {
            return;
        };
        if Arc::ptr_eq(&entry.hub, &self.hub) {
            entry.seats = entry.seats.saturating_sub(1);
            if entry.seats == 0 {
                hubs.remove(&self.namespace);
            }
        }
    }
}
