//! Watches for interfaces that come and go while the node runs.

use std::time::Duration;
use tracing::Instrument;

use zre_beacon::{Beacon, Changes, Interface, Interfaces};

use super::link_monitor::LinkMonitor;
use super::{DiscoveryUpdate, UpdateSender};

/// How long to wait after a hint for further ones. Plugging in a cable causes a handful
/// within a few milliseconds; looking ten times a second costs next to nothing.
const SETTLE: Duration = Duration::from_millis(100);

/// Compares the interfaces with those of the last look.
#[derive(Debug)]
pub(crate) struct InterfaceWatcher {
    /// A beacon opens sockets on what has come up, and knows what it uses.
    beacon: Option<Beacon>,
    wanted: Interfaces,
    known: Vec<Interface>,
}

impl InterfaceWatcher {
    /// `known`: the interfaces that could be used a moment ago.
    pub(crate) fn new(beacon: Option<Beacon>, wanted: Interfaces, known: Vec<Interface>) -> Self {
        Self {
            beacon,
            wanted,
            known,
        }
    }

    /// `None` if nothing has changed.
    fn look(&mut self) -> Option<DiscoveryUpdate> {
        let now = usable(&self.wanted);
        let before = std::mem::replace(&mut self.known, now);
        let own = Changes::between(&all_used(&before), &all_used(&self.known));
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
            let supervisor = updates.supervisor.clone();
            let watching = supervisor.watch("watching interfaces", run(hints, watcher, updates));
            tokio::spawn(watching.in_current_span());
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
        // Opening sockets may take a while, and must not delay messages.
        let looked = tokio::task::spawn_blocking(move || {
            let seen = watcher.look();
            (watcher, seen)
        });
        let Ok((back, seen)) = looked.await else {
            // The runtime is shutting down.
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

fn all_used(interfaces: &[Interface]) -> Vec<(&Interface, bool)> {
    interfaces
        .iter()
        .map(|interface| (interface, true))
        .collect()
}

/// The addresses of the chosen interfaces that can be used now.
fn usable(wanted: &Interfaces) -> Vec<Interface> {
    let mut found = wanted.resolve().unwrap_or_default();
    found.retain(|interface| interface.problem.is_none());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_interface_hides_no_other() {
        let wanted = Interfaces::Named(vec!["no-such-0".into(), "127.0.0.1".into()]);
        assert_eq!(usable(&wanted).len(), 1);
    }
}
