//! zenoh's part of `cargo bench --bench mesh`, which starts this program with the same
//! words as its own children:
//!
//! ```text
//! cargo build --release --manifest-path benches/zenoh/Cargo.toml
//! cargo bench --bench mesh -- --what whisper,trip --only zre,libzmq,zenoh,zenoh-express
//! ```
//!
//! Two peers without a router and without scouting: one listens on loopback or on a unix
//! socket, the other connects to it and listens nowhere. Publishers block if the queue is
//! full, so nothing is lost. What arrives is counted in a callback, which is zenoh's
//! quickest way.

#[allow(dead_code, reason = "the parent uses the rest")]
#[path = "../../benches/links/case.rs"]
mod case;

use std::fmt::Display;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zenoh::bytes::ZBytes;
use zenoh::pubsub::Publisher;
use zenoh::qos::CongestionControl;
use zenoh::{Config, Session, Wait};

use case::{Contestant, Job, Role, Transport};

const THERE: &str = "zre/bench/there";
const BACK: &str = "zre/bench/back";

/// How long an answer to the first, empty messages may take before another is sent.
const GREETING: Duration = Duration::from_millis(20);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(job) = Job::from_args(&args) else {
        eprintln!("`cargo bench --bench mesh` starts this program");
        std::process::exit(2);
    };
    match job.role {
        Role::Receive => receive(&job),
        Role::Send => send(&job),
        Role::Echo => echo(&job),
        Role::Ping => ping(&job),
        Role::Many => {}
    }
}

/// A session that listens, or connects to one that does.
fn open(listen: &str, connect: &str) -> Session {
    let list = |endpoint: &str| match endpoint {
        "" => "[]".to_owned(),
        endpoint => format!("[{endpoint:?}]"),
    };
    let mut config = Config::default();
    for (key, value) in [
        ("mode", "\"peer\"".to_owned()),
        ("scouting/multicast/enabled", "false".to_owned()),
        ("scouting/gossip/enabled", "false".to_owned()),
        ("listen/endpoints", list(listen)),
        ("connect/endpoints", list(connect)),
    ] {
        config.insert_json5(key, &value).unwrap();
    }
    zenoh::open(config).wait().unwrap()
}

/// A session that listens, and where.
fn listen(job: &Job) -> (Session, String) {
    let endpoint = match job.case.transport {
        Transport::Tcp => {
            // zenoh doesn't tell which port it was given.
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            format!("tcp/{}", free.local_addr().unwrap())
        }
        Transport::Ipc => format!("unixsock-stream/{}", job.socket("zenoh")),
    };
    (open(&endpoint, ""), endpoint)
}

fn publisher<'a>(session: &'a Session, key: &'static str, job: &Job) -> Publisher<'a> {
    session
        .declare_publisher(key)
        .congestion_control(CongestionControl::Block)
        .express(job.case.contestant == Contestant::ZenohExpress)
        .wait()
        .unwrap()
}

/// Waits until the publisher knows a subscriber: what is published before is lost.
fn wait_for_subscriber(publisher: &Publisher) {
    let (matches, matched) = mpsc::channel();
    let _listener = publisher
        .matching_listener()
        .callback(move |status| {
            let _ = matches.send(status.matching());
        })
        .wait()
        .unwrap();
    let mut matching = publisher.matching_status().wait().unwrap().matching();
    while !matching {
        matching = matched.recv().unwrap();
    }
}

fn receive(job: &Job) {
    let (session, endpoint) = listen(job);
    let (size, count) = (job.case.size, job.case.count);
    let (seen, first) = (AtomicUsize::new(0), OnceLock::new());
    let (done, all) = mpsc::channel();
    let _subscriber = session
        .declare_subscriber(THERE)
        .callback(move |sample| {
            let first = first.get_or_init(Instant::now);
            assert_eq!(sample.payload().len(), size);
            if seen.fetch_add(1, Ordering::Relaxed) + 1 == count {
                let _ = done.send(first.elapsed());
            }
        })
        .wait()
        .unwrap();
    say("ready", endpoint);
    say("seconds", all.recv().unwrap().as_secs_f64());
}

fn send(job: &Job) {
    let session = open("", &job.to);
    let publisher = publisher(&session, THERE, job);
    let payload = ZBytes::from(vec![7; job.case.size]);
    wait_for_subscriber(&publisher);
    for _ in 0..job.case.count {
        publisher.put(payload.clone()).wait().unwrap();
    }
    wait_for_parent();
}

fn echo(job: &Job) {
    let (session, endpoint) = listen(job);
    // Both live as long as the process.
    let session: &Session = Box::leak(Box::new(session));
    let publisher = publisher(session, BACK, job);
    let _subscriber = session
        .declare_subscriber(THERE)
        .callback(move |sample| publisher.put(sample.payload().clone()).wait().unwrap())
        .wait()
        .unwrap();
    say("ready", endpoint);
    wait_for_parent();
}

fn ping(job: &Job) {
    let session = open("", &job.to);
    let subscriber = session.declare_subscriber(BACK).wait().unwrap();
    let publisher = publisher(&session, THERE, job);
    wait_for_subscriber(&publisher);
    // The other publisher may not yet know our subscriber.
    loop {
        publisher.put(ZBytes::new()).wait().unwrap();
        if let Ok(Some(_)) = subscriber.recv_timeout(GREETING) {
            break;
        }
    }
    let payload = ZBytes::from(vec![7; job.case.size]);
    let mut samples = Vec::with_capacity(job.case.count);
    for _ in 0..job.case.count {
        let start = Instant::now();
        publisher.put(payload.clone()).wait().unwrap();
        // Late answers to the greeting are empty.
        while subscriber.recv().unwrap().payload().len() != job.case.size {}
        samples.push(start.elapsed().as_nanos() as u64);
    }
    say_trips(samples);
}

/// The parent closes the input of its children when it has what it wants.
fn wait_for_parent() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Says something to the parent.
fn say(word: &str, value: impl Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word} {value}").unwrap();
    out.flush().unwrap();
}

/// Says percentiles, in nanoseconds, of the second half: the first warms up.
fn say_trips(mut samples: Vec<u64>) {
    samples.drain(..samples.len() / 2);
    samples.sort_unstable();
    for (word, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        say(word, samples[(samples.len() - 1) * per_mille / 1000]);
    }
}
