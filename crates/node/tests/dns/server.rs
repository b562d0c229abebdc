//! A name server that says what a test wants, good or bad.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// One record: its type, how long it may be kept, and its data in wire form.
#[derive(Clone)]
pub(crate) struct Record {
    kind: u16,
    ttl: u32,
    data: Vec<u8>,
}

impl Record {
    pub(crate) fn a(ttl: u32, addr: [u8; 4]) -> Self {
        let (kind, data) = (1, addr.to_vec());
        Self { kind, ttl, data }
    }

    pub(crate) fn ptr(ttl: u32, name: &str) -> Self {
        let (kind, data) = (12, wire(name));
        Self { kind, ttl, data }
    }

    pub(crate) fn txt(ttl: u32, strings: &[&str]) -> Self {
        let mut data = Vec::new();
        for string in strings {
            data.push(u8::try_from(string.len()).unwrap());
            data.extend_from_slice(string.as_bytes());
        }
        Self {
            kind: 16,
            ttl,
            data,
        }
    }

    pub(crate) fn srv(ttl: u32, target: &str, port: u16) -> Self {
        let mut data = vec![0, 1, 0, 1];
        data.extend_from_slice(&port.to_be_bytes());
        data.extend(wire(target));
        Self {
            kind: 33,
            ttl,
            data,
        }
    }
}

fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// How the server answers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Good,
    ServFail,
    /// What isn't DNS at all behind the right number.
    Garbage,
}

struct Zone {
    names: HashMap<String, Vec<Record>>,
    mood: Mood,
}

pub(crate) struct Server {
    addr: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: watch::Receiver<HashMap<String, u64>>,
}

impl Server {
    /// Serves until the process ends.
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone {
            names: HashMap::new(),
            mood: Mood::Good,
        }));
        let (count, asked) = watch::channel(HashMap::new());
        let served = Arc::clone(&zone);
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let query = &buffer[..len];
                let (name, answer) = answer(query, &served.lock().unwrap());
                let _ = socket.send_to(&answer, from);
                count.send_modify(|count| *count.entry(name).or_default() += 1);
            }
        });
        Self { addr, zone, asked }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn set(&self, name: &str, records: Vec<Record>) {
        let mut zone = self.zone.lock().unwrap();
        zone.names.insert(name.to_ascii_lowercase(), records);
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.zone.lock().unwrap().mood = mood;
    }

    /// Waits until this name was asked for so many times from now on.
    pub(crate) async fn asked(&self, name: &str, times: u64, within: Duration) {
        let mut asked = self.asked.clone();
        let count = |asked: &HashMap<String, u64>| asked.get(name).copied().unwrap_or_default();
        let before = count(&asked.borrow_and_update());
        let enough = asked.wait_for(|now| count(now) >= before + times);
        tokio::time::timeout(within, enough)
            .await
            .expect("asked in time")
            .expect("the server runs");
    }
}

fn answer(query: &[u8], zone: &Zone) -> (String, Vec<u8>) {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let len = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + len]).to_ascii_lowercase());
        at += len + 1;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    let known = zone.names.get(&name);
    let records: Vec<&Record> = known
        .into_iter()
        .flatten()
        .filter(|record| record.kind == kind)
        .collect();
    let code = match (zone.mood, known) {
        (Mood::ServFail, _) => 2,
        (_, None) => 3,
        (_, Some(_)) => 0,
    };
    let mut bytes = query[..2].to_vec();
    if zone.mood == Mood::Garbage {
        bytes.extend([
            0x84, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0xc0, 0x0c, 0xc0, 0x0c,
        ]);
        return (name, bytes);
    }
    bytes.extend([0x84, code, 0, 1]);
    bytes.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend_from_slice(question);
    for record in records {
        bytes.extend([0xc0, 0x0c]);
        bytes.extend(record.kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes.extend(record.ttl.to_be_bytes());
        bytes.extend(u16::try_from(record.data.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&record.data);
    }
    (name, bytes)
}
