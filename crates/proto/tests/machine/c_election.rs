//! Elections with members that count as C Zyre does: how many ELECTs and LEADERs came,
//! not from whom. They start anew at each HELLO and JOIN of a member, ask nobody twice, and
//! wait for ever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use uuid::Uuid;
use zre_proto::machine::{Heard, Source};
use zre_proto::{Beacon, Command, Time};

use crate::bench::{Bench, Peer, ms, our_uuid, secs};
use crate::election::{elect, leader};

/// The election of the group in one C Zyre node.
#[derive(Debug, Default)]
struct Count {
    wave: Option<Uuid>,
    father: Option<Uuid>,
    elects: usize,
    leaders: usize,
    leader: Option<Uuid>,
}

/// A C Zyre node that contests.
struct C {
    uuid: Uuid,
    /// The members that it knows.
    members: BTreeSet<Uuid>,
    election: Option<Count>,
    /// The member that leads. C Zyre doesn't note that it leads itself.
    led_by: Option<Uuid>,
    /// What it last told its application.
    told: Option<Uuid>,
    out: Vec<(Uuid, Command)>,
}

impl C {
    fn new(uuid: Uuid) -> Self {
        Self {
            uuid,
            members: BTreeSet::new(),
            election: None,
            led_by: None,
            told: None,
            out: Vec::new(),
        }
    }

    fn say(&mut self, to: impl IntoIterator<Item = Uuid>, command: &Command) {
        self.out
            .extend(to.into_iter().map(|to| (to, command.clone())));
    }

    fn say_to_all(&mut self, command: &Command) {
        let all = self.members.clone();
        self.say(all, command);
    }

    fn challenge(&mut self) {
        self.election = Some(Count {
            wave: Some(self.uuid),
            ..Count::default()
        });
        self.led_by = None;
        self.say_to_all(&elect(self.uuid));
    }

    fn came(&mut self, member: Uuid) {
        self.members.insert(member);
        self.challenge();
    }

    fn went(&mut self, member: Uuid) {
        let members = self.members.len();
        let runs = |count: &Count| count.leaders != members;
        if self.election.as_ref().is_some_and(runs) || self.led_by == Some(member) {
            self.election = None;
            if members == 1 {
                self.led_by = None;
                self.told = Some(self.uuid);
            } else {
                self.challenge();
            }
        }
        self.members.remove(&member);
    }

    fn hear_elect(&mut self, from: Uuid, challenger: Uuid) {
        let count = self.election.get_or_insert_default();
        if count.wave.is_none_or(|wave| challenger < wave) {
            *count = Count {
                wave: Some(challenger),
                father: Some(from),
                ..Count::default()
            };
            let others = self.members.clone().into_iter();
            self.say(others.filter(|it| *it != from), &elect(challenger));
        }
        let own = self.uuid;
        let count = self.election.get_or_insert_default();
        if count.wave == Some(challenger) {
            count.elects += 1;
            if count.elects == self.members.len() {
                match (challenger == own, count.father) {
                    (true, _) => self.say_to_all(&leader(own)),
                    (false, father) => self.say(father, &elect(challenger)),
                }
            }
        }
    }

    fn hear_leader(&mut self, leads: Uuid) {
        let count = self.election.get_or_insert_default();
        let Some(wave) = count.wave else {
            return;
        };
        count.leaders += 1;
        count.leader = Some(leads);
        let (first, complete) = (count.leaders == 1, count.leaders == self.members.len());
        if leads != self.uuid && first {
            self.say_to_all(&leader(wave));
        }
        if complete {
            self.election = None;
            if leads == self.uuid || self.members.contains(&leads) {
                self.led_by = (leads != self.uuid).then_some(leads);
                self.told = Some(leads);
            }
        }
    }
}

/// One of our nodes among C Zyre nodes. Messages of a pair keep their order; each takes as
/// long as chance has it.
struct World {
    bench: Bench,
    peers: BTreeMap<Uuid, Peer>,
    c: BTreeMap<Uuid, C>,
    links: BTreeMap<(Uuid, Uuid), VecDeque<(Time, Command)>>,
    read: usize,
    seed: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut bench = Bench::new();
        bench.machine.contest(bench.now, "G").unwrap();
        bench.machine.join(bench.now, "G").unwrap();
        bench.drain();
        Self {
            bench,
            peers: BTreeMap::new(),
            c: BTreeMap::new(),
            links: BTreeMap::new(),
            read: 0,
            seed,
        }
    }

    fn chance(&mut self, most: u64) -> Duration {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ms((self.seed >> 33) % most)
    }

    fn send(&mut self, from: Uuid, to: Uuid, delay: Duration, command: Command) {
        let at = self.bench.now + delay;
        let link = self.links.entry((from, to)).or_default();
        let at = link.back().map_or(at, |(last, _)| at.max(*last));
        link.push_back((at, command));
    }

    /// A C Zyre node that is in the group from its start meets the others.
    fn start(&mut self, id: u8) {
        let mut peer = Peer::new(id);
        peer.groups = vec!["G".into()];
        let uuid = peer.uuid;
        let others: Vec<Uuid> = self.c.keys().copied().collect();
        for other in others {
            let hello = Command::Hello(peer.hello());
            let delay = self.chance(300);
            self.send(uuid, other, delay, hello);
            let hello = Command::Hello(self.peers[&other].hello());
            let delay = self.chance(300);
            self.send(other, uuid, delay, hello);
        }
        let delay = self.chance(300);
        self.send(uuid, our_uuid(), delay, Command::Hello(peer.hello()));
        self.c.insert(uuid, C::new(uuid));
        self.peers.insert(uuid, peer);
    }

    /// A node leaves: the others hear its last beacon.
    fn stop(&mut self, uuid: Uuid) {
        let peer = self.peers.remove(&uuid).unwrap();
        self.c.remove(&uuid);
        self.links
            .retain(|(from, to), _| *from != uuid && *to != uuid);
        let others: Vec<Uuid> = self.c.keys().copied().collect();
        for other in others {
            let delay = self.chance(20);
            self.send(uuid, other, delay, Command::Goodbye);
        }
        let left = Beacon::Classic { uuid, port: 0 };
        let heard = Heard::new((peer.ip, 5670).into(), Source::Broadcast, false);
        self.bench
            .machine
            .handle_beacon(self.bench.now, &left, &heard);
        self.bench.drain();
        self.bench.connection_closes(&peer);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.bench.now + time;
        while self.bench.now < end {
            let due = self
                .links
                .values()
                .filter_map(|link| Some(link.front()?.0))
                .min();
            let next = self.bench.now + ms(20);
            let step = due.map_or(next, |due| due.min(next)).min(end) - self.bench.now;
            self.bench.pass(step.max(ms(1)));
            self.collect();
            let keys: Vec<_> = self.links.keys().copied().collect();
            for key in keys {
                while let Some(link) = self.links.get_mut(&key)
                    && let Some((at, _)) = link.front()
                    && *at <= self.bench.now
                {
                    let (_, command) = link.pop_front().unwrap();
                    self.deliver(key.0, key.1, command);
                    self.collect();
                }
            }
        }
    }

    /// What all have said since the last look goes on its way.
    fn collect(&mut self) {
        let said: Vec<_> = self.bench.sent[self.read..].to_vec();
        self.read += said.len();
        for (session, _, command) in said {
            let to = self.bench.connects.iter().find(|it| it.0 == session);
            if let Some((_, Some(to), _)) = to.cloned()
                && self.c.contains_key(&to)
            {
                let delay = self.chance(10);
                self.send(our_uuid(), to, delay, command);
            }
        }
        let said = self.c.values_mut().flat_map(|c| {
            let from = c.uuid;
            std::mem::take(&mut c.out)
                .into_iter()
                .map(move |(to, command)| (from, to, command))
        });
        let said: Vec<_> = said.collect();
        for (from, to, command) in said {
            let delay = self.chance(10);
            self.send(from, to, delay, command);
        }
    }

    fn deliver(&mut self, from: Uuid, to: Uuid, command: Command) {
        if to == our_uuid() {
            let Some(peer) = self.peers.get_mut(&from) else {
                return;
            };
            return match command {
                Command::Hello(_) => self.bench.greet(peer),
                other => self.bench.say(peer, other),
            };
        }
        let Some(c) = self.c.get_mut(&to) else {
            return;
        };
        let named = |text: &str| Uuid::try_parse(text).unwrap();
        match command {
            Command::Hello(hello) if hello.groups.contains(&"G".to_owned()) => c.came(from),
            Command::Join { .. } => c.came(from),
            Command::Goodbye => c.went(from),
            Command::Elect { challenger_id, .. } => c.hear_elect(from, named(&challenger_id)),
            Command::Leader { leader_id, .. } => c.hear_leader(named(&leader_id)),
            Command::Ping(None) => c.say([from], &Command::PingOk(None)),
            _ => {}
        }
    }

    /// Whether all know that the lowest of them leads.
    fn agree(&self) -> bool {
        let lowest = self.c.keys().copied().chain([our_uuid()]).min();
        let ours = self.bench.machine.leader("G");
        ours == lowest && self.c.values().all(|c| c.told == lowest)
    }
}

const SEEDS: u64 = 60;

/// Of how many seeds the story ends in agreement.
fn agreements(story: impl Fn(&mut World)) -> u64 {
    let agrees = |seed: &u64| {
        let mut world = World::new(*seed * 7919 + 1);
        story(&mut world);
        world.agree()
    };
    (0..SEEDS).filter(agrees).count() as u64
}

/// Ours has the UUID 0x99: lower ones are of C Zyre, and lead.
#[test]
fn members_that_come_one_after_another_agree() {
    for ids in [[0xa1, 0xa2, 0xa3], [0x11, 0xa2, 0xa3], [0xa2, 0xa3, 0x11]] {
        let agreed = agreements(|world| {
            for id in ids {
                world.start(id);
                let pause = world.chance(400);
                world.pass(pause);
            }
            world.pass(secs(40));
        });
        assert!(agreed >= SEEDS * 9 / 10, "{ids:x?}: {agreed} of {SEEDS}");
    }
}

#[test]
fn when_a_leader_of_c_zyre_goes_early_the_others_agree() {
    for (ids, age) in [
        ([0x11, 0xa2, 0xa3], 400),
        ([0x11, 0xa2, 0xa3], 1500),
        ([0x11, 0x12, 0xa3], 1000),
    ] {
        let agreed = agreements(|world| {
            for id in ids {
                world.start(id);
            }
            world.pass(ms(age));
            let goes = world.peers.keys().next().copied().unwrap();
            world.stop(goes);
            world.pass(secs(40));
        });
        assert!(
            agreed >= SEEDS * 9 / 10,
            "{ids:x?} after {age} ms: {agreed} of {SEEDS}"
        );
    }
}

#[test]
fn two_of_which_one_is_c_zyre_agree_when_the_third_goes() {
    let agreed = agreements(|world| {
        world.start(0x11);
        world.start(0xa2);
        let age = world.chance(1200);
        world.pass(age);
        let goes = world.peers.keys().next().copied().unwrap();
        world.stop(goes);
        world.pass(secs(25));
    });
    assert!(agreed >= SEEDS * 9 / 10, "{agreed} of {SEEDS}");
}
