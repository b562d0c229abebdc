//! Interfaces that come and go while the node runs.

use std::time::Duration;
use tracing::Instrument;

use zre_beacon::{Beacon, Changes, Interface, Interfaces};

use super::link_monitor::LinkMonitor;
use super::{DiscoveryUpdate, UpdateSender};

/// How long hints are gathered before we look. A cable that is put in brings a
/// handful within a few milliseconds; ten looks a second cost next to nothing.
const SETTLE: Duration = Duration::from_millis(100);

/// Sees what has changed.
#[derive(Debug)]
pub(crate) struct InterfaceWatcher {
    /// A beacon takes into use what has come up, and knows what it uses.
    beacon: Option<Beacon>,
    wanted: Interfaces,
    known: Vec<Interface>,
}

impl InterfaceWatcher {
    /// Where `known` is what could be used a moment ago.
    pub(crate) fn new(beacon: Option<Beacon>, wanted: Interfaces, known: Vec<Interface>) -> Self {
        Self {
            beacon,
            wanted,
            known,
        }
    }

    /// None where all is as it was.
    fn look(&mut self) -> Option<DiscoveryUpdate> {
        let now = usable(&self.wanted);
        let before = std::mem::replace(&mut self.known, now);
        let own = between(&before, &self.known);
        let moved = !own.is_empty();
        let changes = match &self.beacon {
            Some(beacon) => beacon.refresh().unwrap_or_else(|error| {
                tracing::debug!(%error, "can't look at the interfaces");
                Changes::default()
            }),
            None => own,
        };
        (moved || !changes.is_empty()).then(|| DiscoveryUpdate::Interfaces {
            changes,
            here: self.known.clone(),
        })
    }
}

/// Watches the interfaces, in the calling thread's network namespace, for as
/// long as the driver listens.
pub(crate) fn watch(watcher: InterfaceWatcher, updates: UpdateSender) {
    match LinkMonitor::open() {
        Ok(hints) => {
            tokio::spawn(run(hints, watcher, updates).in_current_span());
        }
        Err(error) => {
            tracing::warn!(%error, "interfaces that change while the node runs aren't noticed");
        }
    }
}

async fn run(mut hints: LinkMonitor, mut watcher: InterfaceWatcher, updates: UpdateSender) {
    loop {
        tokio::select! {
            hint = hints.next() => if let Err(error) = hint {
                tracing::warn!(%error, "interfaces aren't watched any more");
                return;
            },
            () = updates.closed() => return,
        }
        tokio::time::sleep(SETTLE).await;
        // Opening sockets may take a while; nobody's messages wait for it.
        let looked = tokio::task::spawn_blocking(move || {
            let seen = watcher.look();
            (watcher, seen)
        });
        let Ok((back, seen)) = looked.await else {
            // The runtime is going.
            return;
        };
        watcher = back;
        if let Some(seen) = seen
            && updates.send(seen).await.is_err()
        {
            return;
        }
    }
}

/// The addresses of the chosen interfaces that can be used now.
pub(crate) fn usable(wanted: &Interfaces) -> Vec<Interface> {
    let mut found = wanted.resolve().unwrap_or_default();
    found.retain(|interface| interface.problem.is_none());
    found
}

fn is_same(one: &Interface, other: &Interface) -> bool {
    one.index == other.index && one.addr == other.addr
}

fn between(before: &[Interface], now: &[Interface]) -> Changes {
    let lacks = |list: &[Interface], one: &Interface| !list.iter().any(|i| is_same(i, one));
    let mut changes = Changes::default();
    changes.up = now.iter().filter(|i| lacks(before, i)).cloned().collect();
    for interface in before.iter().filter(|i| lacks(now, i)) {
        let mut interface = interface.clone();
        interface.problem = Some("it is gone, is down, or has lost the address".into());
        changes.down.push(interface);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_beacon_the_lists_are_compared() {
        let host = usable(&Interfaces::Loopback);
        assert!(!host.is_empty());
        let (first, rest) = host.split_first().unwrap();
        assert!(between(&host, &host).is_empty());
        let came = between(rest, &host);
        assert_eq!(came.up, std::slice::from_ref(first));
        assert!(came.down.is_empty());
        let went = between(&host, rest);
        assert!(went.up.is_empty());
        assert_eq!(went.down.len(), 1);
        assert!(went.down[0].problem.is_some());
    }

    #[test]
    fn a_name_that_nothing_bears_hides_no_other() {
        let wanted = Interfaces::Named(vec!["no-such-0".into(), "127.0.0.1".into()]);
        assert_eq!(usable(&wanted).len(), 1);
    }
}
