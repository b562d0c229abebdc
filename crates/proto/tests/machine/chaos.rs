//! Random input in any order: nothing panics, the discipline of events holds,
//! and nothing goes to a mailbox that isn't open. The harness checks both.

use proptest::prelude::*;
use zre_proto::machine::Source;
use zre_proto::{Command, Endpoint, State};

use crate::bench::{Bench, Peer, header, join, leave, ms, our_uuid, whisper};

#[derive(Clone, Debug)]
enum Step {
    Beacon(usize, Option<u8>, bool),
    Goodbye(usize, bool),
    Greet(usize, bool),
    Say(usize, u8),
    Raw(usize, u8, u16, Vec<u8>),
    Gap(usize),
    Reconnect(usize),
    Move(usize),
    ConnectionCloses(usize),
    MailboxOpens(usize),
    MailboxCloses(usize),
    Pass(u32),
    StandStill(u32),
    Pause(bool),
    Resume,
    Find(u8, bool),
    Lose(u8, bool),
    Join(u8),
    Leave(u8),
    SetState(u8),
    SetHeader(u8),
    Handshake(Option<u8>, bool),
    ShutDown(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..4usize;
    prop_oneof![
        4 => (peer.clone(), any::<Option<u8>>(), any::<bool>())
            .prop_map(|(p, s, m)| Step::Beacon(p, s, m)),
        1 => (peer.clone(), any::<bool>()).prop_map(|(p, f)| Step::Goodbye(p, f)),
        6 => (peer.clone(), any::<bool>()).prop_map(|(p, s)| Step::Greet(p, s)),
        12 => (peer.clone(), 0..14u8).prop_map(|(p, c)| Step::Say(p, c)),
        1 => (peer.clone(), any::<u8>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(p, id, n, bytes)| Step::Raw(p, id, n, bytes)),
        1 => peer.clone().prop_map(Step::Gap),
        2 => peer.clone().prop_map(Step::Reconnect),
        1 => peer.clone().prop_map(Step::Move),
        2 => peer.prop_map(Step::ConnectionCloses),
        5 => (0..6usize).prop_map(Step::MailboxOpens),
        2 => (0..6usize).prop_map(Step::MailboxCloses),
        6 => (0..8000u32).prop_map(Step::Pass),
        1 => (0..50_000u32).prop_map(Step::StandStill),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => Just(Step::Resume),
        2 => (0..4u8, any::<bool>()).prop_map(|(n, d)| Step::Find(n, d)),
        1 => (0..4u8, any::<bool>()).prop_map(|(n, d)| Step::Lose(n, d)),
        1 => (0..3u8).prop_map(Step::Join),
        1 => (0..3u8).prop_map(Step::Leave),
        1 => any::<u8>().prop_map(Step::SetState),
        1 => any::<u8>().prop_map(Step::SetHeader),
        1 => (any::<Option<u8>>(), any::<bool>()).prop_map(|(p, m)| Step::Handshake(p, m)),
        1 => (0..8000u16).prop_map(Step::ShutDown),
    ]
}

fn command(choice: u8, peer: &mut Peer) -> Command {
    match choice {
        0..=3 => whisper("w"),
        4 => {
            peer.status = peer.status.wrapping_add(1);
            join("A", peer.status)
        }
        5 => {
            peer.status = peer.status.wrapping_add(1);
            leave("A", peer.status)
        }
        6 => join("B", 9),
        7 => Command::Ping(None),
        8 | 9 => Command::PingOk(None),
        10 => Command::Goodbye,
        11 => Command::State(State::Busy),
        12 => Command::State(State::Exit),
        _ => Command::Shout {
            group: "A".into(),
            content: "s".into(),
        },
    }
}

fn seed(n: u8) -> String {
    // Two of them are where peers are.
    format!(
        "tcp://10.0.0.{}:{}",
        n + 1,
        49_153 + u16::from(n / 2 * 7 + n)
    )
}

fn run(steps: Vec<Step>) {
    let mut bench = Bench::with(|config| config.limits.peers = 3);
    bench.open = false;
    let mut peers: Vec<Peer> = (1..=4).map(Peer::new).collect();
    peers[1].state = Some(State::Ready);
    // One that shares its address with another.
    peers[3].ip = peers[2].ip;
    peers[3].port = peers[2].port;
    let mut connection = 10_000;
    for step in steps {
        match step {
            Step::Beacon(p, state, multicast) => {
                let beacon = match state {
                    Some(octet) => peers[p].state_beacon(State::from(octet % 8)),
                    None => peers[p].beacon(),
                };
                let source = if multicast {
                    Source::Multicast
                } else {
                    Source::Broadcast
                };
                bench.hear_beacon_by(&beacon, peers[p].ip, source);
            }
            Step::Goodbye(p, forged) => {
                let from = if forged {
                    "10.66.66.66".parse().unwrap()
                } else {
                    peers[p].ip
                };
                bench.hear_beacon(&peers[p].goodbye_beacon(), from);
            }
            Step::Greet(p, as_us) => {
                let mut peer = peers[p].clone();
                if as_us && p == 0 {
                    peer.uuid = our_uuid();
                }
                bench.greet(&mut peer);
                peers[p].next = peer.next;
            }
            Step::Say(p, choice) => {
                let command = command(choice, &mut peers[p]);
                bench.say(&mut peers[p], command);
            }
            Step::Raw(p, id, number, bytes) => {
                bench.receive(&peers[p], header(id, 2, number, &bytes));
            }
            Step::Gap(p) => peers[p].next = peers[p].next.wrapping_add(3),
            Step::Reconnect(p) => {
                connection += 1;
                peers[p].connection = connection;
            }
            Step::Move(p) => {
                connection += 1;
                peers[p].connection = connection;
                peers[p].port = peers[p].port.wrapping_add(1).max(1);
            }
            Step::ConnectionCloses(p) => bench.connection_closes(&peers[p]),
            Step::MailboxOpens(back) => {
                if let Some((session, ..)) = bench.connects.iter().rev().nth(back) {
                    let session = *session;
                    bench.mailbox_opens(session);
                }
            }
            Step::MailboxCloses(back) => {
                if let Some((session, ..)) = bench.connects.iter().rev().nth(back) {
                    let session = *session;
                    bench.mailbox_closes(session);
                }
            }
            Step::Pass(millis) => bench.pass(ms(millis.into())),
            Step::StandStill(millis) => bench.stand_still(ms(millis.into())),
            Step::Pause(paused) => bench.pause(paused),
            Step::Resume => {
                bench.machine.handle_resume(bench.now);
                bench.drain();
            }
            Step::Find(n, dns) => {
                let source = if dns { Source::Dns } else { Source::Static };
                bench.find(&seed(n), source);
            }
            Step::Lose(n, dns) => {
                let source = if dns { Source::Dns } else { Source::Static };
                let endpoint: Endpoint = seed(n).parse().unwrap();
                bench.machine.handle_lost(&endpoint, source);
                bench.drain();
            }
            Step::Join(n) => {
                let _ = bench.machine.join(bench.now, &n.to_string());
                bench.drain();
            }
            Step::Leave(n) => {
                bench.machine.leave(&n.to_string());
                bench.drain();
            }
            Step::SetState(octet) => {
                bench.machine.set_state(bench.now, State::from(octet));
                bench.drain();
            }
            Step::SetHeader(value) => {
                let (key, value) = (value % 2, value.to_string());
                let now = bench.now;
                bench
                    .machine
                    .set_header(now, &key.to_string(), &value)
                    .unwrap();
                bench.drain();
            }
            Step::Handshake(who, in_memory) => {
                bench.up.peer = who.map(|n| Peer::new(n % 5 + 1).uuid);
                bench.up.in_memory = in_memory;
            }
            Step::ShutDown(patience) => bench.shut_down(ms(patience.into())),
        }
        let [peers, sessions, seeds, ..] = bench.machine.table_sizes();
        assert!(peers <= 3 && seeds <= 4, "{peers} peers, {seeds} seeds");
        assert_eq!(
            sessions,
            bench.open_mailboxes(),
            "every open mailbox is somebody's"
        );
    }
    // Whatever happened, a shutdown ends it.
    bench.pause(false);
    bench.shut_down(ms(1000));
    bench.pass(ms(10_000));
    assert!(bench.stopped.is_some());
    assert_eq!(bench.open_mailboxes(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_input_in_any_order(steps in prop::collection::vec(step(), 1..120)) {
        run(steps);
    }
}
