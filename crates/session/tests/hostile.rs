//! Strangers that mean harm, against an inbox in a process of its own.
//!
//! Each attack holds four things against our engine: the process lives, a
//! healthy peer gets its message through while the attack stands, memory stays
//! under a stated bound, and the reason is counted. Against the zeromq engine
//! the same attacks run for the record: [`ZEROMQ_FAILS`] lists those that it
//! doesn't survive or notice, and they are asserted, so that the list
//! stays true.
#![cfg(target_os = "linux")] // memory is read from /proc
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests
#![allow(clippy::print_stdout)] // how the victim talks

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use zre_curve::{Anyone, Curve, Keys};
use zre_session::{
    Arrival, Config, Engine, Identity, IpcDir, LinkLimits, Links, Notice, SameHost, Target,
};
use zre_zmtp::{FrameLimits, Handshake, Local, Null, SocketType, encode_ping};

const MIB: usize = 1 << 20;

/// How long anything may take that has to happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the victim's memory may reach: about 10 MiB to start with, and 32 MiB
/// of messages that aren't whole yet, in buffers that may be twice as large.
const MEMORY: usize = 80 * MIB;

fn limits() -> LinkLimits {
    LinkLimits {
        frame_bytes: 8 * MIB,
        message_bytes: 16 * MIB,
        inbox_bytes_total: 32 * MIB,
        handshake_time: Duration::from_secs(5),
        half_open: 64,
        ..LinkLimits::default()
    }
}

fn config(engine: Engine, identity: &[u8]) -> Config {
    let mut config = Config::new(Identity::new(identity.to_vec()).unwrap());
    config.engine = engine;
    config.ipc = IpcDir::Off;
    config.inproc = false;
    config.limits = limits();
    config
}

/// What the victim is called that has keys, and the number of its keys.
const WITH_KEYS: &str = "native with keys";
const VICTIM: u8 = 1;

fn curve(number: u8) -> Curve {
    Curve::new(Keys::from_secret([number; 32]), Arc::new(Anyone))
}

// ---------------------------------------------------------------- the victim

/// Listens, and prints what it hears from healthy peers. To the line `counters` it
/// answers with its counters.
#[test]
#[ignore = "runs as a child of the other tests"]
fn victim() {
    let engine = match std::env::var("HOSTILE_VICTIM").as_deref() {
        Ok("native" | WITH_KEYS) => Engine::Native,
        #[cfg(feature = "zeromq")]
        Ok("zeromq") => Engine::ZeroMq,
        other => panic!("not started by a test of this file: {other:?}"),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut config = config(engine, b"victim");
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        if std::env::var("HOSTILE_VICTIM").as_deref() == Ok(WITH_KEYS) {
            config.mechanism = Arc::new(curve(VICTIM));
        }
        if std::env::var_os("HOSTILE_PATIENT").is_some() {
            config.limits.handshake_time = 10 * DEADLINE;
        }
        let (links, mut inbox, _notices) = Links::open(config).await.unwrap();
        println!("victim ready {}", links.listening()[0]);
        std::thread::spawn(move || {
            for line in std::io::stdin().lines() {
                assert_eq!(line.unwrap(), "counters");
                let counters = links.counters();
                println!("victim counters {counters:?}");
            }
            // The parent is gone.
            std::process::exit(0);
        });
        while let Some(arrival) = inbox.recv().await {
            if let Arrival::Batch(batch) = arrival
                && batch.from.identity.as_bytes().starts_with(b"healthy")
            {
                for message in &batch.messages {
                    println!("victim message {}", String::from_utf8_lossy(&message.head));
                }
            }
        }
    });
}

/// A process that runs [`victim`].
struct Victim {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    addr: SocketAddr,
    has_keys: bool,
}

impl Victim {
    fn start(engine: &str) -> Victim {
        Self::start_by(engine, &mut Command::new("sh"), 1024)
    }

    /// One that waits for handshakes for longer than any test runs.
    fn start_patient(engine: &str, descriptors: usize) -> Victim {
        let mut command = Command::new("sh");
        Self::start_by(engine, command.env("HOSTILE_PATIENT", "yes"), descriptors)
    }

    fn start_by(engine: &str, shell: &mut Command, descriptors: usize) -> Victim {
        let mut child = shell
            .arg("-c")
            .arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            .args(["victim", "--exact", "--ignored", "--nocapture"])
            .env("HOSTILE_VICTIM", engine)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The harness puts its own words in front of the first line.
                if let Some((_, said)) = line.split_once("victim ")
                    && sender.send(said.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        let mut victim = Victim {
            child,
            input,
            lines,
            addr: ([127, 0, 0, 1], 0).into(),
            has_keys: engine == WITH_KEYS,
        };
        let ready = victim.hear("ready ");
        victim.addr = ready.parse().unwrap();
        victim
    }

    /// The rest of the next line that begins like this; other lines are dropped.
    fn hear(&mut self, start: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(start) {
                        return rest.to_owned();
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("the victim never said {start:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the victim died"),
            }
        }
    }

    /// One of the victim's counters.
    fn counter(&mut self, name: &str) -> u64 {
        writeln!(self.input, "counters").unwrap();
        let line = self.hear("counters ");
        let start = line.find(&format!("{name}: ")).unwrap() + name.len() + 2;
        let digits: String = line[start..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap()
    }

    /// Waits until one of them has reached a value.
    fn counted(&mut self, name: &str, at_least: u64) {
        let until = Instant::now() + DEADLINE;
        loop {
            let now = self.counter(name);
            if now >= at_least {
                return;
            }
            assert!(
                Instant::now() < until,
                "{name} is {now}, never reached {at_least}"
            );
            std::thread::sleep(Duration::from_millis(10)); // between two questions
        }
    }

    /// The most memory it ever had, in bytes.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// A peer that does nothing wrong gets a message through.
    fn hears_the_healthy(&mut self, name: &str) {
        let text = format!("from {name}");
        let identity = format!("healthy {name}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _keep = runtime.block_on(async {
            let mut config = config(Engine::Native, identity.as_bytes());
            let mut target = Target::default().addr(self.addr).same_host(SameHost::Never);
            if self.has_keys {
                let own = curve(2);
                target = target.mechanism(Arc::new(own.to(curve(VICTIM).public())));
                config.mechanism = Arc::new(own);
            }
            let (links, inbox, mut notices) = Links::open(config).await.unwrap();
            let mailbox = links.connect(1, target);
            mailbox.try_send(text.as_bytes(), &[]).unwrap();
            let up = tokio::time::timeout(DEADLINE, notices.recv()).await;
            assert!(matches!(up, Ok(Some(Notice::Up { .. }))), "{up:?}");
            let _ = mailbox.flush(DEADLINE).await;
            (links, inbox, notices, mailbox)
        });
        assert_eq!(self.hear("message "), text);
    }

    /// What every attack has to leave behind.
    fn stands(&mut self, name: &str) {
        self.hears_the_healthy(name);
        let memory = self.memory();
        assert!(memory < MEMORY, "{name}: {} MiB", memory / MIB);
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// A connection that has sent its greeting and READY.
    fn greeted(&self, identity: &[u8]) -> TcpStream {
        let mut stream = self.dial();
        stream.write_all(&opening(identity)).unwrap();
        stream
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Greeting and READY of a mailbox.
fn opening(identity: &[u8]) -> Vec<u8> {
    let identity = Bytes::copy_from_slice(identity);
    let local = Local::new(SocketType::Dealer, identity, Arc::new(Null));
    let mut handshake = Handshake::new(local, FrameLimits::default());
    let mut out = BytesMut::new();
    handshake.start(&mut out);
    let mut theirs = BytesMut::from(&out[..]);
    handshake.advance(&mut theirs, &mut out).unwrap();
    out.to_vec()
}

/// Nine bytes that announce a frame of that length.
fn announce(flags: u8, len: u64) -> Vec<u8> {
    let mut out = vec![flags | 2];
    out.extend_from_slice(&len.to_be_bytes());
    out
}

/// Waits until the other side closes, or for the time that it may take.
fn wait_for_end(mut stream: TcpStream) {
    let mut buf = [0; 1024];
    while stream.read(&mut buf).is_ok_and(|n| n > 0) {}
}

// --------------------------------------------------------------- the attacks

#[test]
fn lengths_of_a_terabyte_and_more() {
    let mut victim = Victim::start("native");
    let mut streams = Vec::new();
    for len in [1 << 40, 1 << 62, u64::MAX] {
        // Before any greeting, instead of READY, and after it.
        let mut stream = victim.dial();
        stream.write_all(&announce(0, len)).unwrap();
        streams.push(stream);
        let mut stream = victim.dial();
        stream.write_all(&opening(b"x")[..64]).unwrap();
        stream.write_all(&announce(4, len)).unwrap();
        streams.push(stream);
        let mut stream = victim.greeted(format!("liar {len}").as_bytes());
        stream.write_all(&announce(0, len)).unwrap();
        streams.push(stream);
    }
    victim.stands("lengths");
    streams.into_iter().for_each(wait_for_end);
    victim.counted("handshakes_failed", 6);
    victim.counted("limited", 2);
    victim.counted("protocol", 1); // past 2^63 isn't even ZMTP
    victim.stands("after lengths");
}

#[test]
fn noise_and_other_protocols() {
    let mut victim = Victim::start("native");
    let mut lcg = 12345u64;
    let mut noise = || {
        lcg = lcg.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (lcg >> 33) as u8
    };
    let curve = {
        let mut greeting = opening(b"x")[..64].to_vec();
        greeting[12..17].copy_from_slice(b"CURVE");
        greeting
    };
    let mut old = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1];
    let zmtp_2 = old.clone();
    old.truncate(2);
    old[0] = 1;
    let mut openings: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        curve,
        zmtp_2,
        vec![1, 0], // ZMTP 1.0
        opening(&[7; 300]),
        opening(&[0, 1, 2]),
    ];
    for _ in 0..50 {
        openings.push((0..200).map(|_| noise()).collect());
    }
    // Noise behind a good greeting, and behind a good handshake.
    for i in 0..50 {
        let start = match i % 2 {
            0 => opening(b"x")[..64].to_vec(),
            _ => opening(format!("noise {i}").as_bytes()),
        };
        let mut bytes = start;
        // 0xff: flags that don't exist, so that nothing depends on luck.
        bytes.push(0xff);
        bytes.extend((0..200).map(|_| noise()));
        openings.push(bytes);
    }
    let count = openings.len() as u64;
    for bytes in openings {
        let mut stream = victim.dial();
        // It may close before it has read all.
        let _ = stream.write_all(&bytes);
        wait_for_end(stream);
    }
    victim.stands("noise");
    victim.counted("handshakes_failed", count - 25);
    victim.counted("protocol", 25);
}

#[test]
fn silence() {
    let mut victim = Victim::start("native");
    let mut silent: Vec<TcpStream> = (0..250).map(|_| victim.dial()).collect();
    for _ in 0..250 {
        let mut stream = victim.dial();
        stream.write_all(&opening(b"half")[..32]).unwrap();
        silent.push(stream);
    }
    victim.stands("silence");
    // 500 came, 64 may stay: the others were replaced, and those time out.
    victim.counted("limited", 500 - 64);
    victim.counted("timed_out", 60);
    silent.into_iter().for_each(wait_for_end);
    victim.stands("after silence");
}

/// Greetings and HELLOs of CURVE that go no further. Each costs the victim a multiplication
/// on the curve; the WELCOME that it answers with keeps nothing but a cookie's key.
#[test]
fn handshakes_with_keys_that_are_never_finished() {
    const WAVES: usize = 20;
    const WAVE: usize = 250;
    let mut victim = Victim::start(WITH_KEYS);
    victim.stands("before the handshakes");
    let hello = {
        let mechanism = Arc::new(curve(3).to(curve(VICTIM).public()));
        let local = Local::new(SocketType::Dealer, Bytes::from_static(b"flood"), mechanism);
        let mut handshake = Handshake::new(local, FrameLimits::default());
        let mut out = BytesMut::new();
        handshake.start(&mut out);
        let theirs = Handshake::new(
            Local::new(SocketType::Router, Bytes::new(), Arc::new(curve(VICTIM))),
            FrameLimits::default(),
        );
        let mut greeting = BytesMut::new();
        theirs.start(&mut greeting);
        handshake.advance(&mut greeting, &mut out).unwrap();
        out.to_vec()
    };
    let begin = Instant::now();
    let mut welcomed = 0usize;
    for _ in 0..WAVES {
        let wave: Vec<TcpStream> = (0..WAVE)
            .map(|_| {
                let mut stream = victim.dial();
                stream.write_all(&hello).unwrap();
                stream
            })
            .collect();
        for mut stream in wave {
            // A greeting and a WELCOME of 168 bytes in a frame, or the end.
            let mut answer = [0; 64 + 2 + 168];
            welcomed += usize::from(stream.read_exact(&mut answer).is_ok());
        }
    }
    let rate = (WAVES * WAVE) as f64 / begin.elapsed().as_secs_f64();
    println!(
        "{welcomed} of {} HELLOs answered, {rate:.0} a second",
        WAVES * WAVE
    );
    assert!(welcomed >= WAVES, "they reached the curve");
    victim.stands("handshakes");
    victim.counted("limited", (WAVE - 64) as u64);
    let memory = victim.memory();
    assert!(memory < 24 * MIB, "{} MiB", memory / MIB);
}

#[test]
fn three_million_frames_of_one_message() {
    let mut victim = Victim::start("native");
    let mut stream = victim.greeted(b"endless");
    let more = [1u8, 0].repeat(50_000);
    for _ in 0..60 {
        if stream.write_all(&more).is_err() {
            break;
        }
    }
    victim.stands("frames");
    victim.counted("limited", 1);
}

#[test]
fn a_gigabyte() {
    let mut victim = Victim::start("native");
    // In one frame.
    let mut one = victim.greeted(b"one frame");
    let _ = one.write_all(&announce(0, 1 << 30));
    let piece = vec![7; MIB];
    let _ = (0..64).try_for_each(|_| one.write_all(&piece));
    // In frames that are each allowed.
    let mut many = victim.greeted(b"many frames");
    let _ = (0..1024).try_for_each(|_| {
        many.write_all(&announce(1, MIB as u64))?;
        many.write_all(&piece)
    });
    // In one frame that is allowed, of which all but the end comes.
    let mut held = victim.greeted(b"held back");
    held.write_all(&announce(0, 8 * MIB as u64)).unwrap();
    (0..7).for_each(|_| held.write_all(&piece).unwrap());
    victim.stands("gigabyte");
    victim.counted("limited", 2);
}

#[test]
fn many_messages_that_never_end() {
    let mut victim = Victim::start("native");
    let piece = vec![7; MIB];
    let held: Vec<TcpStream> = (0..40)
        .map(|i| {
            let mut stream = victim.greeted(format!("never {i}").as_bytes());
            // An error: it was one too many.
            let _ = stream.write_all(&announce(0, 8 * MIB as u64));
            let _ = (0..7).try_for_each(|_| stream.write_all(&piece));
            stream
        })
        .collect();
    // Seven MiB each: four find room, and parts of more.
    victim.counted("limited", 30);
    victim.stands("never ending");
    drop(held);
    victim.counted("opened", 41);
    victim.stands("ended after all");

    // What the ended ones had sent doesn't count any longer.
    let until = Instant::now() + DEADLINE;
    let ends = ["closed_by_peer", "broken", "limited"];
    while ends.map(|end| victim.counter(end)).iter().sum::<u64>() < victim.counter("opened") {
        assert!(Instant::now() < until, "some never end");
        std::thread::sleep(Duration::from_millis(10)); // between two questions
    }
    let mut late = victim.greeted(b"healthy late");
    late.write_all(b"\x01\x04late").unwrap();
    late.write_all(&announce(0, 7 * MIB as u64)).unwrap();
    (0..7).for_each(|_| late.write_all(&piece).unwrap());
    assert_eq!(victim.hear("message "), "late");
}

#[test]
fn a_flood_of_pings_whose_answers_nobody_reads() {
    let mut victim = Victim::start("native");
    let mut stream = victim.greeted(b"flood");
    let mut pings = BytesMut::new();
    while pings.len() < MIB {
        encode_ping(0, b"0123456789abcdef", &mut pings);
    }
    for _ in 0..50 {
        stream.write_all(&pings).unwrap();
    }
    victim.stands("pings");
    // It still stands, and is still answered once it reads.
    drop(pings);
    let mut buf = vec![0; 64];
    stream.read_exact(&mut buf).unwrap();
    assert_eq!(victim.counter("opened"), 2);
}

#[test]
fn resets_in_the_middle_of_a_frame() {
    let mut victim = Victim::start("native");
    for i in 0..50 {
        let mut stream = victim.greeted(format!("reset {i}").as_bytes());
        stream.write_all(&announce(0, 100_000)).unwrap();
        stream.write_all(&[7; 5000]).unwrap();
        victim.counted("opened", i + 1);
        // Zero linger makes closing a reset.
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
    victim.counted("broken", 50);
    victim.stands("resets");
}

#[test]
fn one_byte_at_a_time() {
    let mut victim = Victim::start("native");
    let mut stream = victim.dial();
    let mut bytes = opening(b"healthy but slow");
    bytes.extend_from_slice(b"\x01\x04slow\x00\x03end");
    for byte in bytes {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(victim.hear("message "), "slow");
    victim.stands("bytes");
}

#[test]
fn running_out_of_descriptors() {
    let mut victim = Victim::start_patient("native", 48);
    let silent: Vec<TcpStream> = (0..120).map(|_| victim.dial()).collect();
    // The healthy connection replaces the oldest half-open ones.
    victim.stands("few descriptors");
    drop(silent);
    victim.stands("descriptors again");
    // Now with connections that are up, which nothing replaces.
    let named: Vec<TcpStream> = (0..60)
        .map(|i| victim.greeted(format!("named {i}").as_bytes()))
        .collect();
    victim.counted("opened", 2 + 20);
    victim.counted("no_descriptor", 1);
    std::thread::sleep(Duration::from_millis(500)); // in which it must not try all the time
    let failed = victim.counter("no_descriptor");
    assert!(failed < 500, "it tried {failed} times");
    drop(named);
    victim.stands("descriptors once more");
}

#[test]
fn the_last_descriptor_serves_a_connection_and_a_silent_one_gives_way() {
    let mut victim = Victim::start_patient("native", 48);
    // Numbers from 48 are those that it has from us.
    let free = |victim: &Victim| {
        let open = std::fs::read_dir(format!("/proc/{}/fd", victim.child.id()));
        let numbers = open
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap());
        48 - numbers
            .filter(|it| it.parse::<usize>().unwrap() < 48)
            .count()
    };
    let mut named = Vec::new();
    while free(&victim) > 1 {
        named.push(victim.greeted(format!("named {}", named.len()).as_bytes()));
        victim.counted("opened", named.len() as u64);
    }
    victim.stands("the last descriptor");
    assert_eq!(victim.counter("no_descriptor"), 0);
    let _silent = victim.dial();
    victim.stands("the place of a silent one");
    assert!(victim.counter("no_descriptor") > 0);
}

// ------------------------------------------------- the same against zeromq

/// What the zeromq engine doesn't survive: the process aborts, because memory
/// is asked for by an announced length.
#[cfg(feature = "zeromq")]
const ZEROMQ_FAILS: [&str; 2] = ["a terabyte instead of READY", "a terabyte after READY"];

/// Attacks that are over quickly, by name, against the zeromq engine.
#[cfg(feature = "zeromq")]
#[test]
fn what_the_zeromq_engine_survives() {
    let with = |start: &[u8], end: &[u8]| [start, end].concat();
    let full = opening(b"liar");
    let attacks = [
        ("http", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a terabyte before the greeting", announce(0, 1 << 40)),
        (
            "a terabyte instead of READY",
            with(&full[..64], &announce(4, 1 << 40)),
        ),
        ("a terabyte after READY", with(&full, &announce(0, 1 << 40))),
        ("an identity of 300 bytes", opening(&[7; 300])),
        ("half a greeting", full[..32].to_vec()),
    ];
    for (name, bytes) in attacks {
        let mut victim = Victim::start("zeromq");
        let mut stream = victim.dial();
        let _ = stream.write_all(&bytes);
        if ZEROMQ_FAILS.contains(&name) {
            wait_for_end(stream);
            let status = victim.child.wait().unwrap();
            assert!(
                !status.success(),
                "{name}: it survived, take it off the list"
            );
        } else {
            victim.hears_the_healthy(name);
        }
    }
}
