//! What arrives on links.

use std::time::Duration;

use uuid::Uuid;
use zre_proto::machine::{Inbound, Up};

use crate::host::{self, Power};
use crate::link::{Item, Link, ProcessId, Way};
use crate::world::{Happening, World};

/// How often a process that stands still is asked whether it notices by now.
pub(crate) const NOTICE: Duration = Duration::from_secs(1);

impl World {
    /// Plans a look at a lane for when its first item arrives.
    pub(crate) fn plan_lane(&mut self, number: usize, way: Way) {
        let now = self.now;
        let Some(lane) = self.links.get_mut(number).map(|link| link.lane(way)) else {
            return;
        };
        let Some((arrives, _)) = lane.first() else {
            return;
        };
        let at = arrives.max(now);
        if lane.planned.is_none_or(|planned| at < planned) {
            lane.planned = Some(at);
            self.queue.push(at, Happening::Lane(number, way));
        }
    }

    /// Something that held links up is over: they are all looked at again.
    pub(crate) fn pump_all(&mut self) {
        let open: Vec<usize> = self.open.iter().copied().collect();
        for number in open {
            self.plan_lane(number, Way::There);
            self.plan_lane(number, Way::Back);
        }
    }

    /// Delivers what has arrived, as far as somebody takes it.
    pub(crate) fn pump(&mut self, number: usize, way: Way) {
        while let Some(item) = self.take(number, way) {
            match way {
                Way::There => self.arrive_there(number, item),
                Way::Back => self.arrive_back(number, item),
            }
        }
        if self.links.get(number).is_some_and(Link::is_over) {
            self.open.remove(&number);
        }
        let now = self.now;
        let waits = self
            .links
            .get_mut(number)
            .and_then(|link| link.lane(way).first().map(|(arrives, _)| arrives > now));
        if waits == Some(true) {
            self.plan_lane(number, way);
        }
    }

    /// The first item of a lane, if it has arrived and can be taken.
    fn take(&mut self, number: usize, way: Way) -> Option<Item> {
        let now = self.now;
        let link = self.links.get_mut(number)?;
        let (dialler, target, listener) = (link.dialler, link.target, link.listener);
        let (arrives, first) = link.lane(way).first()?;
        if arrives > now {
            return None;
        }
        let dials = matches!(first, Item::Dial);
        let powered = |host: usize| {
            let host = self.hosts.get(host);
            host.is_some_and(|host| host.power == Power::On)
        };
        // A dial to nowhere was answered by our own host.
        let nowhere = target >= self.hosts.len();
        let moves = nowhere || (powered(target) && self.network.links(dialler.host, target));
        if !moves || !powered(dialler.host) {
            return None;
        }
        let reader = match way {
            Way::There => self.hosts.get(target)?.process.as_ref(),
            Way::Back => self.hosts.get(dialler.host)?.process.as_ref(),
        };
        if let Some(process) = reader {
            let its_own = match way {
                Way::There => dials || listener == Some(process.id),
                Way::Back => dialler == process.id,
            };
            let unread = process.held && way == Way::There && !dials;
            if its_own && (process.stopped || unread) {
                return None;
            }
        }
        self.links.get_mut(number)?.lane(way).pop()
    }

    fn arrive_there(&mut self, number: usize, item: Item) {
        let Some(link) = self.links.get(number) else {
            return;
        };
        let (target, identity) = (link.target, link.identity);
        let reader = link.listener.filter(|_| link.inbox);
        self.trace(6, target, u64::try_from(number).unwrap_or(u64::MAX));
        match (item, reader) {
            (Item::Dial, _) => self.accept(number),
            (Item::Frames(frames), Some(reader)) if self.lives(reader) => {
                let Some(link) = self.links.get(number) else {
                    return;
                };
                let from = Inbound::new(
                    identity,
                    u64::try_from(number).unwrap_or(u64::MAX),
                    Some((host::ip(link.dialler.host), link.port).into()),
                );
                self.note_heard(target, identity, number);
                self.call(target, |machine, now| {
                    machine.handle_message(now, &from, frames);
                });
            }
            // Nobody is there any more: the sender's host learns it.
            (Item::Frames(_), _) => self.refuse(number),
            (Item::End, reader) => {
                if let Some(link) = self.links.get_mut(number) {
                    link.inbox = false;
                }
                if let Some(reader) = reader.filter(|reader| self.lives(*reader)) {
                    self.forget_inbound(reader, identity, number);
                    self.report_end(target, identity, number);
                }
            }
            (Item::Accepted, _) => {}
        }
    }

    fn lives(&self, id: ProcessId) -> bool {
        self.hosts
            .get(id.host)
            .and_then(|host| host.process.as_ref())
            .is_some_and(|process| process.id == id)
    }

    fn forget_inbound(&mut self, reader: ProcessId, identity: Uuid, number: usize) {
        if let Some(process) = self
            .hosts
            .get_mut(reader.host)
            .and_then(|host| host.process(reader))
            && process.inbound.get(&identity) == Some(&number)
        {
            process.inbound.remove(&identity);
        }
    }

    fn report_end(&mut self, host: usize, identity: Uuid, number: usize) {
        self.note(|| format!("{host} sees the end of link {number} into its inbox"));
        let connection = u64::try_from(number).unwrap_or(u64::MAX);
        self.call(host, |machine, now| {
            machine.handle_connection_closed(now, identity, connection);
        });
    }

    /// A dial has reached its host. At a ROUTER, a new connection takes the place of an
    /// older one of the same identity; ours waits beside it until it is admitted.
    fn accept(&mut self, number: usize) {
        let Some(link) = self.links.get(number) else {
            return;
        };
        let (target, port, identity) = (link.target, link.port, link.identity);
        let Some(host) = self.hosts.get_mut(target).filter(|host| host.port == port) else {
            self.refuse(number);
            return;
        };
        let Some(process) = host.process.as_mut() else {
            self.refuse(number);
            return;
        };
        let older = match process.brain.admits() {
            true => None,
            false => process.inbound.insert(identity, number),
        };
        let listener = process.id;
        if let Some(link) = self.links.get_mut(number) {
            link.listener = Some(listener);
            link.inbox = true;
        }
        self.note(|| format!("{target} accepts link {number}"));
        self.put(number, Way::Back, Item::Accepted);
        if let Some(older) = older {
            self.end_inbound(target, identity, older);
        }
    }

    /// An inbox closes a connection.
    fn end_inbound(&mut self, host: usize, identity: Uuid, number: usize) {
        if let Some(link) = self.links.get_mut(number) {
            link.inbox = false;
        }
        self.refuse(number);
        self.report_end(host, identity, number);
    }

    /// A connection may stay, in place of an older one of the same identity.
    pub(crate) fn admit(&mut self, host: usize, connection: u64) {
        let number = usize::try_from(connection).unwrap_or(usize::MAX);
        let Some(link) = self.links.get(number).filter(|link| link.inbox) else {
            return;
        };
        let identity = link.identity;
        self.move_session(host, identity, number);
        let process = self.hosts.get_mut(host).and_then(|it| it.process.as_mut());
        let older = process.and_then(|process| process.inbound.insert(identity, number));
        if let Some(older) = older.filter(|older| *older != number) {
            self.end_inbound(host, identity, older);
        }
    }

    /// A connection that isn't admitted is closed.
    pub(crate) fn refuse_inbound(&mut self, host: usize, connection: u64) {
        let number = usize::try_from(connection).unwrap_or(usize::MAX);
        let Some(link) = self.links.get(number).filter(|link| link.inbox) else {
            return;
        };
        let identity = link.identity;
        let process = self.hosts.get(host).and_then(|it| it.process.as_ref());
        if process.is_some_and(|process| process.inbound.get(&identity) != Some(&number)) {
            self.end_inbound(host, identity, number);
        }
    }

    fn refuse(&mut self, number: usize) {
        if self.links.get(number).is_some_and(|link| link.mailbox) {
            self.put(number, Way::Back, Item::End);
        }
    }

    fn arrive_back(&mut self, number: usize, item: Item) {
        let Some(link) = self.links.get_mut(number) else {
            return;
        };
        let (dialler, session) = (link.dialler, link.session);
        let (target, listener) = (link.target, link.listener);
        if !link.mailbox {
            return;
        }
        match item {
            Item::Accepted => {
                link.up = true;
                let names = self.options.names && target < self.first_legacy();
                let reached = listener.filter(|_| names).and_then(|id| {
                    let host = self.hosts.get(id.host)?;
                    let process = host.process.as_ref().filter(|it| it.id == id)?;
                    Some(process.brain.uuid())
                });
                let up = Up::new(Some(host::ip(dialler.host)), None).with_peer(reached);
                self.call(dialler.host, |machine, now| {
                    machine.handle_session_up(now, session, up);
                });
            }
            Item::End => {
                if !link.up {
                    self.report.refused += 1;
                }
                self.lose_mailbox(number);
            }
            Item::Dial | Item::Frames(_) => {}
        }
    }

    /// The mailbox learns that its link is no more.
    fn lose_mailbox(&mut self, number: usize) {
        let Some(link) = self.links.get_mut(number) else {
            return;
        };
        let (dialler, session) = (link.dialler, link.session);
        link.mailbox = false;
        link.lost = true;
        let inbox = link.inbox;
        self.note(|| format!("{} sees the end of its link {number}", dialler.host));
        if inbox {
            self.put(number, Way::There, Item::End);
        }
        if let Some(process) = self
            .hosts
            .get_mut(dialler.host)
            .and_then(|host| host.process(dialler))
        {
            process.mailboxes.remove(&session);
            self.call(dialler.host, |machine, now| {
                machine.handle_session_closed(now, session);
            });
        }
    }

    /// A dial that has had no answer for too long.
    pub(crate) fn give_up(&mut self, number: usize) {
        let Some(link) = self.links.get_mut(number) else {
            return;
        };
        if !link.mailbox || link.up {
            return;
        }
        let dialler = link.dialler;
        if let Some(host) = self.hosts.get_mut(dialler.host)
            && host.process(dialler).is_some()
            && host.active().is_none()
        {
            // It will notice when it goes on.
            self.queue
                .push(self.now + NOTICE, Happening::GiveUp(number));
            return;
        }
        if let Some(link) = self.links.get_mut(number) {
            // What hasn't come through never will.
            link.back.truncate(0);
            link.there.truncate(0);
            self.report.refused += 1;
            self.lose_mailbox(number);
        }
    }
}
