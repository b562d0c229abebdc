//! Checks whether we can reach a peer and the peer can reach us.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use zre::{Endpoint, Node, Peer};

use super::finding::Finding;
use crate::text::shown;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks whether a tcp connection can be established. Returns whether to wait for a
/// greeting.
pub(crate) async fn connect(endpoint: &Endpoint) -> (Finding, bool) {
    let text = endpoint.to_string();
    let Some(addr) = text.strip_prefix("tcp://") else {
        let finding = Finding::note("reach", format!("{text} is checked by a greeting only"));
        return (finding, true);
    };
    let problem = |what: String, advice: &str| Finding::problem("reach", what, advice);
    match timeout(PATIENCE, TcpStream::connect(addr)).await {
        Ok(Ok(_)) => (
            Finding::ok("reach", format!("{text} accepts connections")),
            true,
        ),
        Err(_) => (
            problem(
                format!("{text} doesn't answer in {PATIENCE:?}"),
                "the host is off, or a firewall on the way drops tcp: allow the peer's port \
                 there (--listen keeps it to one), and outgoing tcp here",
            ),
            false,
        ),
        Ok(Err(error)) => {
            let advice = match error.kind() {
                ErrorKind::ConnectionRefused => {
                    "nothing listens at that port, or a firewall rejects it: `zre listen` shows \
                     the port that the peer announces"
                }
                ErrorKind::PermissionDenied => {
                    "a firewall rule on this host refuses outgoing connections (see `firewall`)"
                }
                ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
                    "there is no route, or nobody has the address: look at the cable, the \
                     subnets, and the peer's address"
                }
                _ => "check the address",
            };
            (problem(format!("{text}: {error}"), advice), false)
        }
    }
}

/// The node that runs there announces no key, and a node with keys talks to no such.
pub(crate) fn keyless(addr: std::net::SocketAddr) -> Finding {
    Finding::problem(
        "reach",
        format!("the node at {addr} has no keys, and this one has: they don't talk"),
        "give that one keys, too, or leave --keys out here",
    )
}

/// The two could talk, and one of them doesn't want to.
fn refused(endpoint: &Endpoint, why: &str) -> Finding {
    Finding::problem(
        "reach",
        format!(
            "{endpoint} and this node don't let each other in: {}",
            shown(why)
        ),
        "both need keys (--keys), or neither; and each must trust the key of the other (--trust): \
         `zre doctor` with its options there says what that side refuses",
    )
}

/// Checks whether the peer greeted the node that dials it. `refusal` is why one of the two
/// can't let the other in, if the node knows that.
pub(crate) fn greeted(
    endpoint: &Endpoint,
    peer: Option<&Peer>,
    refusal: Option<&str>,
    node: &Node,
) -> Finding {
    let own = node.endpoint();
    match peer {
        None if let Some(why) = refusal => refused(endpoint, why),
        Some(peer) => Finding::ok(
            "reach",
            format!(
                "{} at {endpoint} greets back, so it reaches us at {own} too",
                shown(peer.name())
            ),
        ),
        None => Finding::problem(
            "reach",
            format!("{endpoint} accepts connections, but sends no greeting"),
            format!(
                "another program listens there, or the peer can't reach us at {own}: allow \
                 incoming tcp here (--listen keeps it to one port), or tell it a better \
                 address by --advertise"
            ),
        ),
    }
}
