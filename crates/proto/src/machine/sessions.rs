use std::collections::BTreeMap;

use uuid::Uuid;

use super::Session;
use crate::Endpoint;

/// Whose mailbox a session is.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Peer(Uuid),
    Seed(Endpoint),
}

/// The mailboxes that are open or being opened.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    owners: BTreeMap<Session, (Owner, u16)>,
    /// How many of them lead to each port. Nodes rarely share one, so where
    /// this says that nobody is there, nobody has to be looked for: among a
    /// thousand peers that would be most of the work of meeting one.
    ports: BTreeMap<u16, u32>,
}

/// Unix sockets count as port 0.
fn port(endpoint: &Endpoint) -> u16 {
    endpoint.port().unwrap_or(0)
}

impl Sessions {
    /// Enters a session, or gives it another owner.
    pub(super) fn insert(&mut self, session: Session, owner: Owner, endpoint: &Endpoint) {
        self.remove(&session);
        let port = port(endpoint);
        *self.ports.entry(port).or_default() += 1;
        self.owners.insert(session, (owner, port));
    }

    pub(super) fn get(&self, session: &Session) -> Option<&Owner> {
        self.owners.get(session).map(|(owner, _)| owner)
    }

    pub(super) fn remove(&mut self, session: &Session) -> Option<Owner> {
        let (owner, port) = self.owners.remove(session)?;
        if let Some(count) = self.ports.get_mut(&port) {
            *count -= 1;
            if *count == 0 {
                self.ports.remove(&port);
            }
        }
        Some(owner)
    }

    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether any session leads to the port of that endpoint.
    pub(super) fn lead_to_port_of(&self, endpoint: &Endpoint) -> bool {
        self.ports.contains_key(&port(endpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_led_to_until_its_last_session_goes() {
        let here: Endpoint = "tcp://127.0.0.1:4000".parse().unwrap();
        let there: Endpoint = "tcp://127.0.0.2:4000".parse().unwrap();
        let other: Endpoint = "tcp://127.0.0.1:4001".parse().unwrap();
        let mut sessions = Sessions::default();
        sessions.insert(Session(1), Owner::Seed(here.clone()), &here);
        sessions.insert(Session(2), Owner::Peer(Uuid::nil()), &there);
        // Another owner, not another session.
        sessions.insert(Session(1), Owner::Peer(Uuid::nil()), &here);
        assert_eq!(sessions.len(), 2);
        assert!(matches!(sessions.get(&Session(1)), Some(Owner::Peer(_))));
        assert!(sessions.lead_to_port_of(&there) && !sessions.lead_to_port_of(&other));
        assert!(sessions.remove(&Session(1)).is_some());
        assert!(sessions.lead_to_port_of(&here));
        assert!(sessions.remove(&Session(2)).is_some());
        assert!(sessions.remove(&Session(2)).is_none());
        assert!(!sessions.lead_to_port_of(&here));
    }
}
