//! A HELLO that answers a dial to a bootstrap address.

use uuid::Uuid;

use super::Bootstrap;
use crate::machine::Machine;
use crate::machine::counters::count;
use crate::machine::mailbox::{AdoptedDial, Mailbox};
use crate::machine::peer::{Peer, Phase};
use crate::machine::remote_hello::RemoteHello;
use crate::{Endpoint, Time};

impl Machine {
    /// Takes the provisional session to an address that a beacon has just named.
    /// Returns its mailbox, and when a HELLO is due if ours is out.
    pub(in crate::machine) fn take_bootstrap_dial(
        &mut self,
        now: Time,
        endpoint: &Endpoint,
        uuid: Uuid,
    ) -> Option<(Box<Mailbox>, Option<Time>)> {
        let dial = self.take_dial(endpoint)?;
        self.bind_bootstrap(endpoint, uuid);
        self.check_bootstrap_later(now, endpoint);
        Some((dial.mailbox, dial.deadline))
    }

    /// Takes the provisional session that a HELLO answers: the dial to the endpoint
    /// that the HELLO names, else the only dial to the address that it comes from.
    pub(in crate::machine) fn adopt_dial(
        &mut self,
        now: Time,
        uuid: Uuid,
        hello: &RemoteHello,
    ) -> Option<AdoptedDial> {
        let endpoint = self.answered_bootstrap(hello)?;
        let source = self.bootstraps.get(&endpoint)?.sources.first();
        let dial = self.take_dial(&endpoint)?;
        self.bind_bootstrap(&endpoint, uuid);
        self.check_bootstrap_later(now, &endpoint);
        Some(AdoptedDial {
            mailbox: dial.mailbox,
            greeted: dial.deadline.is_some(),
            source,
        })
    }

    fn answered_bootstrap(&self, hello: &RemoteHello) -> Option<Endpoint> {
        let leads_to = |it: &Bootstrap| it.dial.as_ref().and_then(|dial| dial.remote);
        if let Some(named) = &hello.endpoint {
            let dialled = |it: &Bootstrap| it.dial.is_some();
            if self.bootstraps.get(named).is_some_and(dialled) {
                return Some(named.clone());
            }
            // We dialled a host name, and HELLO names an address.
            if let Some(addr) = named.socket_addr()
                && let Some((name, _)) = self
                    .bootstraps
                    .iter()
                    .find(|(_, it)| leads_to(it) == Some(addr))
            {
                return Some(name.clone());
            }
        }
        let from = hello.ip()?;
        // A peer that names that very address with another port is another node
        // on that host.
        let neighbour = hello.endpoint.as_ref().and_then(Endpoint::ip) == Some(from);
        let mut there = self
            .bootstraps
            .iter()
            .filter(|(_, it)| !neighbour && leads_to(it).is_some_and(|addr| addr.ip() == from));
        match (there.next(), there.next()) {
            (Some((endpoint, _)), None) => Some(endpoint.clone()),
            _ => None,
        }
    }

    /// Our own HELLO came in: we dialled ourselves.
    pub(in crate::machine) fn found_self(&mut self, hello: &RemoteHello) {
        count(&mut self.counters.own);
        let Some(endpoint) = &hello.endpoint else {
            return;
        };
        if let Some(dial) = self.take_dial(endpoint) {
            self.disconnect(dial.mailbox.session);
        }
        self.mark_own(endpoint);
        let claimed: Vec<Uuid> = self
            .peers_dialled_at(endpoint)
            .filter(|uuid| {
                let established = |peer: &Peer| matches!(peer.phase, Phase::Established(_));
                !self.peers.get(uuid).is_some_and(|peer| established(peer))
            })
            .collect();
        for uuid in claimed {
            self.drop_peer(uuid);
        }
    }
}
