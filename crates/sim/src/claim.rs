//! Somebody who greets under the UUID of another node.

use zre_proto::machine::{SessionId, SharedOutgoing};
use zre_proto::{Command, Endpoint, Hello, Outgoing};

use crate::host;
use crate::link::{Item, Link, Way};
use crate::world::World;

impl World {
    /// A link to `at` that its process knows nothing of, with a HELLO that names the
    /// endpoint of `whose`.
    pub(crate) fn claim(&mut self, from: usize, whose: usize, at: usize) {
        let number = self.links.len();
        let process = self.hosts.get(from).and_then(|host| host.process.as_ref());
        let (Some(process), Some(whose), Some(target)) = (
            process,
            self.hosts.get(whose).map(|it| (whose, it)),
            self.hosts.get(at),
        ) else {
            return;
        };
        let (ip, port) = (host::ip(whose.0), whose.1.port);
        let hello = Hello {
            endpoint: Endpoint::Tcp((ip, port).into()).to_wire(),
            name: "claim".into(),
            ..Hello::default()
        };
        // No machine has that many.
        let session = SessionId(u64::MAX - number as u64);
        let outgoing = SharedOutgoing::new(Outgoing::new(false));
        let to = (at, target.port);
        let link = Link::new(process.id, whose.1.uuid, session, outgoing, to);
        self.open_link(link);
        self.put(number, Way::There, Item::Dial);
        let frames = Command::Hello(hello).encode(1);
        self.put(number, Way::There, Item::Frames(frames));
    }
}
