//! Peers that mean harm, against a node in a process of its own.
//!
//! Each attack holds four things: the node lives; a healthy peer's messages
//! arrive while it stands; memory and tables stay under bounds; and the reason
//! is counted. What strangers do below the messages (lengths, handshakes,
//! noise) is tested with the sessions.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;
use zre_proto::{Beacon, Command, Hello, State};
use zre_tests::books::{Bookkeeper, settings};
use zre_tests::{DEADLINE, beacon_port, together};

use crate::stranger::Stranger;

const MIB: usize = 1 << 20;

/// What the victim may take. It starts at about 10 MiB; one connection may make
/// it hold a message of 64 MiB while it comes in, and the inbox some of what
/// follows.
const MEMORY: usize = 160 * MIB;

/// Each attack, on each engine.
macro_rules! attacks {
    ($($attack:ident)*) => {
        mod native {
            $(#[test]
            fn $attack() {
                let _turn = zre_tests::together();
                super::$attack(super::Scene::set("native"));
            })*
        }

        mod zeromq {
            $(#[test]
            fn $attack() {
                let _turn = zre_tests::together();
                super::$attack(super::Scene::set("zeromq"));
            })*
        }
    };
}

attacks! {
    floods_of_hellos
    somebody_elses_uuid
    our_own_uuid_and_endpoint
    more_groups_than_a_peer_may_have
    headers_of_ten_megabytes
    half_a_message
    lies_in_status_and_sequence
    somebody_elses_exit
    beacons_of_nobody
    an_exit_from_its_own_address
}

struct Scene {
    victim: Bookkeeper,
    healthy: Bookkeeper,
    beacons: u16,
    /// The victim's inbox.
    inbox: u16,
}

impl Scene {
    /// A victim, and a healthy peer that sends to it all the time.
    fn set(engine: &str) -> Self {
        let beacons = beacon_port();
        let start = |name: &str| {
            let program = env!("CARGO_BIN_EXE_bookkeeper");
            let mut settings = settings(name, beacons);
            settings["engine"] = engine.into();
            Bookkeeper::start(program, None, &settings)
        };
        let victim = start("victim");
        let mut healthy = start("healthy");
        healthy.tell("go");
        let inbox = victim.ports[0];
        let mut scene = Self {
            victim,
            healthy,
            beacons,
            inbox,
        };
        scene.serves();
        scene
    }

    /// How many of the healthy peer's messages have arrived.
    fn served(&mut self) -> u64 {
        let from = self.healthy.uuids[0].clone();
        let books = self.victim.books();
        let heard = books[0]["whispers"].as_array().unwrap().iter();
        let heard = heard.filter(|series| series["from"] == from.as_str());
        heard.filter_map(|s| s["delivered"].as_u64()).sum()
    }

    /// What every attack has to leave: some of the healthy peer's messages
    /// arrive from now on, and memory is bounded.
    fn serves(&mut self) {
        let before = self.served();
        self.wait("the healthy peer is served", |scene| {
            scene.served() > before + 5
        });
        let memory = self.victim.memory();
        assert!(memory < MEMORY, "{} MiB", memory / MIB);
    }

    /// As [`serves`](Self::serves), and the healthy peer has never been gone.
    fn never_minded(&mut self) {
        self.serves();
        let healthy = self.healthy.uuids[0].clone();
        let books = self.victim.books();
        let sessions = books[0]["sessions"].as_array().unwrap();
        let ended = sessions
            .iter()
            .find(|s| s["peer"] == healthy.as_str() && !s["unconfirmed"].is_null());
        assert_eq!(ended, None, "the healthy peer has exited");
    }

    /// Waits until the victim has counted so many of these.
    fn counts(&mut self, name: &str, at_least: u64) {
        self.wait(name, |scene| {
            scene.victim.stats()[name].as_u64().unwrap() >= at_least
        });
    }

    fn wait(&mut self, what: &str, mut come: impl FnMut(&mut Self) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !come(self) {
            let stats: Value = self.victim.stats();
            assert!(Instant::now() < until, "never: {what}; {stats}");
            std::thread::sleep(Duration::from_millis(20)); // between two questions
        }
    }

    /// Sends datagrams to the victim's beacon port, from this address of the
    /// loopback interface.
    fn beacons(&self, from: [u8; 4], all: impl Iterator<Item = Beacon>) {
        let socket = UdpSocket::bind((Ipv4Addr::from(from), 0)).unwrap();
        socket.set_broadcast(true).unwrap();
        let to = SocketAddrV4::new(Ipv4Addr::new(127, 255, 255, 255), self.beacons);
        for beacon in all {
            socket.send_to(&beacon.encode(), to).unwrap();
        }
    }

    /// The UUID of one of the two.
    fn uuid(keeper: &Bookkeeper) -> Uuid {
        Uuid::try_parse(&keeper.uuids[0]).unwrap()
    }
}

fn run<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(story)
}

/// Ten thousand greetings from one, and greetings of five hundred that can't be
/// dialled.
fn floods_of_hellos(mut scene: Scene) {
    run(async {
        let mut stranger = Stranger::new(Uuid::new_v4(), scene.inbox).await;
        for _ in 0..10_000 {
            stranger.sequence = 1;
            stranger.say(&Command::Hello(stranger.hello())).await;
        }
        scene.counts("refused", 9_000);
        scene.never_minded();

        let mut crowd = Vec::new();
        for _ in 0..500 {
            let mut one = Stranger::new(Uuid::new_v4(), scene.inbox).await;
            let nowhere = Hello {
                endpoint: "tcp://127.0.0.1:9".into(),
                ..one.hello()
            };
            one.say(&Command::Hello(nowhere)).await;
            crowd.push(one);
            // Fewer at a time than may be in their handshakes, however late
            // the victim comes to accept them.
            if crowd.len().is_multiple_of(100) {
                scene.counts("links_opened", 2 + crowd.len() as u64);
            }
        }
        scene.never_minded();
        let stats = scene.victim.stats();
        assert!(stats["known"].as_u64().unwrap() <= 502, "{stats}");
        assert!(stats["peers"].as_u64().unwrap() <= 2, "{stats}");
    });
}

/// Somebody calls itself by the healthy peer's UUID: it is served on, whoever
/// the victim holds the UUID to be.
fn somebody_elses_uuid(mut scene: Scene) {
    let taken = Scene::uuid(&scene.healthy);
    run(async {
        let mut impostors = Vec::new();
        for _ in 0..5 {
            let mut impostor = Stranger::new(taken, scene.inbox).await;
            impostor.say(&Command::Hello(impostor.hello())).await;
            let lie = Command::Join {
                group: "LIES".into(),
                status: 1,
            };
            impostor.say(&lie).await;
            impostors.push(impostor);
            scene.serves();
        }
        let stats = scene.victim.stats();
        assert!(stats["peers"].as_u64().unwrap() <= 1, "{stats}");
        assert!(stats["sessions"].as_u64().unwrap() <= 3, "{stats}");
    });
}

/// Ten times a second, somebody connects under the healthy peer's UUID: bare handshakes,
/// HELLOs with an endpoint of its own, and with the healthy peer's. (The zeromq engine
/// gives each the older one's place.)
#[test]
fn claims_to_a_uuid_cost_its_peer_nothing() {
    let _turn = together();
    let mut scene = Scene::set("native");
    let taken = Scene::uuid(&scene.healthy);
    let endpoint = format!("tcp://127.0.0.1:{}", scene.healthy.ports[0]);
    run(async {
        let mut bare = Vec::new();
        for round in 0..40 {
            let mut stream = TcpStream::connect(("127.0.0.1", scene.inbox)).unwrap();
            stream.write_all(&opening(taken)).unwrap();
            bare.push(stream);
            let mut impostor = Stranger::new(taken, scene.inbox).await;
            let mut hello = impostor.hello();
            if round % 2 == 0 {
                hello.endpoint.clone_from(&endpoint);
            }
            impostor.say(&Command::Hello(hello)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    scene.never_minded();
    let books = scene.victim.books();
    assert_eq!(books[0]["conflicts"], 1, "told once");
    assert_eq!(scene.victim.stats()["links_replaced"], 0);
}

/// Somebody calls itself by our UUID, by our endpoint, or by both, and beacons
/// so.
fn our_own_uuid_and_endpoint(mut scene: Scene) {
    let ours = Scene::uuid(&scene.victim);
    let inbox = scene.inbox;
    run(async {
        let mut mirrors = Vec::new();
        for (uuid, ours_too) in [(ours, false), (ours, true), (Uuid::new_v4(), true)] {
            let mut mirror = Stranger::new(uuid, inbox).await;
            let mut hello = mirror.hello();
            if ours_too {
                hello.endpoint = format!("tcp://127.0.0.1:{inbox}");
            }
            mirror.say(&Command::Hello(hello)).await;
            mirrors.push(mirror);
        }
        let conflicts = |scene: &mut Scene| {
            let books = scene.victim.books();
            books[0]["conflicts"].as_u64().unwrap()
        };
        // One beacon may be the last of a life before; who goes on is a twin.
        scene.wait("the conflict is told", |scene| {
            let ports = 40_000..40_010;
            let twin = ports.map(|port| Beacon::Classic { uuid: ours, port });
            scene.beacons([127, 0, 0, 1], twin);
            conflicts(scene) > 0
        });
        scene.counts("own", 100);
        scene.never_minded();
        // It never meets itself.
        let stats = scene.victim.stats();
        assert!(stats["peers"].as_u64().unwrap() <= 2, "{stats}");
        assert_eq!(conflicts(&mut scene), 1, "told once");
    });
}

/// A hundred thousand groups.
fn more_groups_than_a_peer_may_have(mut scene: Scene) {
    run(async {
        let mut stranger = Stranger::new(Uuid::new_v4(), scene.inbox).await;
        stranger.greet().await;
        for number in 1..=100_000u32 {
            let join = Command::Join {
                group: format!("{number:0>200}").as_str().into(),
                status: number.to_le_bytes()[0],
            };
            stranger.say(&join).await;
        }
        scene.counts("limited", 100_000 - 1024);
        scene.never_minded();
        let all = (0..100_000).map(|number| format!("group {number}"));
        let mut greedy = Stranger::new(Uuid::new_v4(), scene.inbox).await;
        let hello = Hello {
            groups: all.collect(),
            ..greedy.hello()
        };
        greedy.say(&Command::Hello(hello)).await;
        scene.counts("limited", 100_000 - 1024 + 1);
        scene.never_minded();
    });
}

/// Headers of 10 MB, in a greeting and in the middle of a session.
fn headers_of_ten_megabytes(mut scene: Scene) {
    run(async {
        for known in [false, true] {
            let mut stranger = Stranger::new(Uuid::new_v4(), scene.inbox).await;
            if known {
                stranger.greet().await;
            }
            let mut hello = stranger.hello();
            hello.headers.insert("large".into(), "x".repeat(10_000_000));
            stranger.sequence = 1;
            stranger.say(&Command::Hello(hello)).await;
            scene.counts("limited", 1 + u64::from(known));
            scene.never_minded();
        }
    });
}

/// A thousand connections that say nothing: the oldest give way, the others
/// are ended when their time is up. The zeromq engine has no bound for them.
#[test]
fn a_thousand_silent_connections() {
    let _turn = together();
    let mut scene = Scene::set("native");
    let silent: Vec<TcpStream> = (0..1000)
        .map(|_| TcpStream::connect(("127.0.0.1", scene.inbox)).unwrap())
        .collect();
    scene.counts("links_limited", 1000 - 256);
    scene.never_minded();
    scene.counts("links_timed_out", 200);
    scene.never_minded();
    drop(silent);
}

/// A greeted peer that sends half a message, waits, and goes.
fn half_a_message(mut scene: Scene) {
    let mut halves: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", scene.inbox)).unwrap();
            stream.write_all(&opening(Uuid::new_v4())).unwrap();
            // A long frame of 1 MiB, of which half comes.
            let mut frame = vec![2];
            frame.extend_from_slice(&(1u64 << 20).to_be_bytes());
            frame.resize(9 + (512 << 10), 0xAA);
            stream.write_all(&frame).unwrap();
            stream
        })
        .collect();
    scene.counts("links_opened", 1 + 10);
    scene.never_minded();
    halves.clear();
    scene.counts("links_broken", 10);
    scene.never_minded();
}

/// A ZMTP 3.0 greeting and the READY of a DEALER, octet by octet.
pub(crate) fn opening(uuid: Uuid) -> Vec<u8> {
    let mut out = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0];
    out.extend_from_slice(b"NULL");
    out.resize(64, 0);
    let mut ready = b"\x05READY".to_vec();
    let identity = [&[1], &uuid.as_bytes()[..]].concat();
    for (name, value) in [("Socket-Type", &b"DEALER"[..]), ("Identity", &identity)] {
        ready.push(u8::try_from(name.len()).unwrap());
        ready.extend_from_slice(name.as_bytes());
        ready.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
        ready.extend_from_slice(value);
    }
    out.extend_from_slice(&[4, u8::try_from(ready.len()).unwrap()]);
    out.extend_from_slice(&ready);
    out
}

/// A status that isn't true is counted, a sequence that isn't ends the session.
fn lies_in_status_and_sequence(mut scene: Scene) {
    run(async {
        let mut liar = Stranger::new(Uuid::new_v4(), scene.inbox).await;
        liar.greet().await;
        for status in [77, 3, 3] {
            let join = Command::Join {
                group: format!("G{status}").as_str().into(),
                status,
            };
            liar.say(&join).await;
        }
        scene.counts("status", 3);
        liar.say(&Command::Ping(None)).await;
        liar.hear(|command| matches!(command, Command::PingOk(None)))
            .await;
        liar.sequence += 1;
        liar.say(&Command::Ping(None)).await;
        scene.counts("gaps", 1);
        let uuid = liar.uuid.simple().to_string();
        scene.wait("the liar exits", |scene| {
            let books = scene.victim.books();
            let sessions = books[0]["sessions"].as_array().unwrap().iter();
            let mut of_liar = sessions.filter(|session| session["peer"] == uuid.as_str());
            of_liar.any(|session| session["unconfirmed"].is_u64())
        });
        // Whoever says things before a greeting isn't heard.
        let mut rude = Stranger::new(Uuid::new_v4(), scene.inbox).await;
        for _ in 0..1000 {
            rude.say(&Command::Ping(None)).await;
        }
        scene.counts("ungreeted", 1000);
        scene.never_minded();
    });
}

/// EXIT beacons of the healthy peer from where it never was, and of ten
/// thousand that nobody knows.
fn somebody_elses_exit(mut scene: Scene) {
    let uuid = Scene::uuid(&scene.healthy);
    let port = scene.healthy.ports[0];
    for _ in 0..20 {
        let forged = [
            Beacon::Classic { uuid, port: 0 },
            Beacon::State {
                uuid,
                port,
                state: State::Exit,
            },
        ];
        scene.beacons([127, 0, 0, 2], forged.into_iter());
        scene.serves();
    }
    let unknown = (0..10_000).map(|_| Beacon::State {
        uuid: Uuid::new_v4(),
        port: 1,
        state: State::Exit,
    });
    scene.beacons([127, 0, 0, 2], unknown);
    scene.never_minded();
    let stats = scene.victim.stats();
    assert!(stats["tombstones"].as_u64().unwrap() <= 8192, "{stats}");
}

/// Beacons of ten thousand nodes that aren't there: as many are remembered as
/// may be, and none is met.
fn beacons_of_nobody(mut scene: Scene) {
    scene.beacons(
        [127, 0, 0, 1],
        (0..10_000).map(|_| Beacon::Classic {
            uuid: Uuid::new_v4(),
            port: 9,
        }),
    );
    // How many get through the system's own queue depends on the machine.
    scene.counts("known", 100);
    scene.never_minded();
    let stats = scene.victim.stats();
    assert!(stats["known"].as_u64().unwrap() <= 8192, "{stats}");
    assert_eq!(stats["peers"], 1, "{stats}");
}

/// EXIT beacons that bear the healthy peer's own address, as only its own host or
/// somebody on the path can forge them: the peer answers, and stays.
fn an_exit_from_its_own_address(mut scene: Scene) {
    let (uuid, port) = (Scene::uuid(&scene.healthy), scene.healthy.ports[0]);
    let state = Beacon::State {
        uuid,
        port,
        state: State::Exit,
    };
    let classic = Beacon::Classic { uuid, port: 0 };
    for _ in 0..10 {
        scene.beacons([127, 0, 0, 1], [state.clone(), classic.clone()].into_iter());
        scene.serves();
    }
    scene.wait("it is counted", |scene| {
        scene.victim.stats()["forged"].as_u64().unwrap() > 0
    });
    scene.never_minded();
}
