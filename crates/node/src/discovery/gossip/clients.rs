//! The clients of a gossip listener.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{AbortHandle, Id, JoinSet};
use tracing::Instrument;
use zre_session::Places;

/// How many there may be. A network with more nodes needs several hubs.
const CLIENTS: usize = 1024;

/// The clients of a listener, each a task. When there are too many, one that hasn't said
/// HELLO gives way. Dropping this ends them all.
#[derive(Debug)]
pub(super) struct Clients {
    tasks: JoinSet<()>,
    known: HashMap<Id, Client>,
    places: Places,
    last: u64,
}

#[derive(Debug)]
struct Client {
    number: u64,
    ip: IpAddr,
    greeted: Greeted,
    task: AbortHandle,
}

/// Whether a client has said HELLO.
#[derive(Clone, Debug, Default)]
pub(super) struct Greeted(Arc<AtomicBool>);

impl Greeted {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clients {
    pub(super) fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            known: HashMap::new(),
            places: Places::new(CLIENTS, CLIENTS),
            last: 0,
        }
    }

    /// Serves a client from that address. Returns false, and does nothing, if there is no
    /// place for it.
    pub(super) fn serve<F>(&mut self, ip: IpAddr, client: impl FnOnce(Greeted) -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.forget(id);
        }
        if self.places.check(Some(ip)).is_err() {
            let waiting = self.known.iter().filter(|(_, it)| !it.greeted.is_set());
            let Some((id, oldest)) = waiting.min_by_key(|(_, it)| it.number) else {
                return false;
            };
            oldest.task.abort();
            let id = *id;
            self.forget(id);
        }
        self.last = self.last.saturating_add(1);
        self.places.take(Some(ip));
        let greeted = Greeted::default();
        let task = client(greeted.clone()).in_current_span();
        let task = self.tasks.spawn(task);
        let client = Client {
            number: self.last,
            ip,
            greeted,
            task: task.clone(),
        };
        self.known.insert(task.id(), client);
        true
    }

    fn forget(&mut self, id: Id) {
        if let Some(client) = self.known.remove(&id) {
            self.places.give_back(Some(client.ip));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn the_oldest_that_has_not_greeted_gives_way() {
        let ip = |host: u8| IpAddr::from([10, 0, 0, host]);
        let mut clients = Clients::new();
        let silent = |_| pending();
        let greets = |greeted: Greeted| {
            greeted.set();
            pending()
        };
        // More than there are, and the last eighth isn't for one address.
        for _ in 0..2 * CLIENTS {
            assert!(clients.serve(ip(1), silent));
        }
        assert_eq!(clients.known.len(), 896);
        // Those that greet take the places of all of them, and some that were free.
        let mut greeted = 0;
        while clients.serve(ip(2), greets) {
            greeted += 1;
        }
        assert_eq!(greeted, 896 + 16);
        assert!(clients.serve(ip(3), greets));
        assert_eq!(clients.known.len(), 896 + 16 + 1);
        clients.tasks.abort_all();
        while clients.known.len() > 1 {
            tokio::task::yield_now().await;
            clients.serve(ip(3), |_| async {});
        }
    }
}
