//! Which file that is being received gives its place to another sender's.

use std::net::IpAddr;
use std::time::Duration;

use zre::{Endpoint, Peer, Uuid};

/// A sender that has sent nothing for that long gives its place up if another one waits.
const QUIET: Duration = Duration::from_secs(5);

/// The place of a file that is being received.
#[derive(Debug)]
pub(super) struct Place<T> {
    pub(super) what: T,
    pub(super) sender: Sender,
    /// For how long the sender has sent nothing.
    pub(super) idle: Duration,
}

/// Whose files share one another's places: those of one host. On this host, and under a
/// host name, each node has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Host(IpAddr),
    Node(Uuid),
}

/// Under whose name the files of a peer count.
pub(super) fn sender(peer: &Peer) -> Sender {
    match peer.endpoint() {
        Endpoint::Tcp(addr) if !addr.ip().is_loopback() => Sender::Host(addr.ip()),
        _ => Sender::Node(peer.uuid()),
    }
}

/// What gives its place to one more file of the `newcomer`: of the sender that has most
/// places, if it still has as many as the newcomer then; otherwise of one that has been
/// quiet for too long.
pub(super) fn evicted<'a, T>(places: &'a [Place<T>], newcomer: &Sender) -> Option<&'a T> {
    let count = |sender: &Sender| places.iter().filter(|it| it.sender == *sender).count();
    let own = count(newcomer);
    let most = places.iter().map(|place| count(&place.sender)).max()?;
    let longest = |greedy: bool| {
        places
            .iter()
            .filter(|place| !greedy || count(&place.sender) == most)
            .max_by_key(|place| place.idle)
    };
    let greedy = longest(true).filter(|_| most >= own + 2);
    let quiet = || longest(false).filter(|place| place.idle >= QUIET);
    greedy.or_else(quiet).map(|place| &place.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(what: u32, host: u8, idle: u64) -> Place<u32> {
        Place {
            what,
            sender: Sender::Host([10, 0, 0, host].into()),
            idle: Duration::from_secs(idle),
        }
    }

    fn host(host: u8) -> Sender {
        Sender::Host([10, 0, 0, host].into())
    }

    #[test]
    fn the_greedy_give_way_and_then_the_quiet() {
        let places = [
            place(1, 1, 0),
            place(2, 1, 2),
            place(3, 1, 1),
            place(4, 2, 4),
            place(5, 2, 0),
        ];
        assert_eq!(evicted(&places, &host(3)), Some(&2), "the first has most");
        assert_eq!(evicted(&places, &host(2)), None, "2 against 3 stay so");
        assert_eq!(evicted(&places, &host(1)), None);
        let quiet = [place(1, 1, 0), place(2, 2, 7), place(3, 3, 5)];
        assert_eq!(evicted(&quiet, &host(4)), Some(&2));
        assert_eq!(evicted(&quiet, &host(1)), Some(&2));
        let lively = [place(1, 1, 4), place(2, 2, 0)];
        assert_eq!(evicted(&lively, &host(4)), None);
    }
}
