//! What the beacons of a process share in one network namespace.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::{io, thread};

use bytes::Bytes;
use mio::{Poll, Waker};

use crate::changes::Changes;
use crate::error::{OpenError, RefreshError};
use crate::member::Member;
use crate::namespace::Namespace;
use crate::sender::plain;
use crate::shared::{Command, Key, Shared};
use crate::worker::{WAKER, Worker};

/// The hubs of this process.
static HUBS: Mutex<BTreeMap<Namespace, Entry>> = Mutex::new(BTreeMap::new());

struct Entry {
    hub: Arc<Hub>,
    registrations: usize,
}

fn hubs() -> MutexGuard<'static, BTreeMap<Namespace, Entry>> {
    HUBS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The handle to the thread of a namespace. Ends the thread when dropped.
pub(crate) struct Hub {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    waker: Arc<Waker>,
}

impl Hub {
    /// Starts the thread. It inherits the namespace of the calling thread, therefore every
    /// socket that it opens belongs to that namespace.
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

    /// Sends a command to the thread. If the thread has died, the command is dropped, and with
    /// it the sender of its reply.
    fn send(&self, command: Command) {
        let _ = self.commands.send(command);
        if let Err(error) = self.waker.wake() {
            tracing::debug!(%error, "can't wake the beacon thread");
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.send(Command::Stop);
    }
}

/// A member's registration with a hub. When the last registration is dropped, the thread and
/// the sockets of the hub end; nobody waits for that.
pub(crate) struct Registration {
    namespace: Namespace,
    hub: Arc<Hub>,
    member: Arc<Member>,
}

impl Registration {
    /// Registers a member in the calling thread's namespace. Waits for the hub's thread, that
    /// is, until the sockets are open.
    pub(crate) fn new(member: Arc<Member>) -> Result<Self, OpenError> {
        let namespace = Namespace::current();
        let hub = {
            let mut hubs = hubs();
            match hubs.get_mut(&namespace) {
                Some(entry) => {
                    entry.registrations = entry.registrations.saturating_add(1);
                    Arc::clone(&entry.hub)
                }
                None => {
                    let hub = Arc::new(Hub::start().map_err(OpenError::Thread)?);
                    let entry = Entry {
                        hub: Arc::clone(&hub),
                        registrations: 1,
                    };
                    hubs.insert(namespace, entry);
                    hub
                }
            }
        };
        let registration = Self {
            namespace,
            hub,
            member,
        };
        let (reply, answer) = mpsc::sync_channel(1);
        registration.hub.send(Command::Join {
            member: Arc::clone(&registration.member),
            reply,
        });
        match answer.recv() {
            Ok(joined) => joined.map(|()| registration),
            Err(mpsc::RecvError) => {
                registration.remove_dead_hub();
                Err(OpenError::Stopped)
            }
        }
    }

    /// Removes a hub whose thread has died, so that the next open starts a new one.
    fn remove_dead_hub(&self) {
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
        self.hub.send(Command::Refresh {
            member: Arc::clone(&self.member),
            reply,
        });
        answer.recv().unwrap_or(Err(RefreshError::Stopped))
    }

    /// Delivers a datagram of this member to the other beacons of the process that hear it.
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

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.send(Command::Leave { id: self.member.id });
        let mut hubs = hubs();
        let Some(entry) = hubs.get_mut(&self.namespace) else {
            return;
        };
        if Arc::ptr_eq(&entry.hub, &self.hub) {
            entry.registrations = entry.registrations.saturating_sub(1);
            if entry.registrations == 0 {
                hubs.remove(&self.namespace);
            }
        }
    }
}
