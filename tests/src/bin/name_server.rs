//! A DNS server for tests that answers from what its arguments say:
//! `ADDR:PORT [NAME srv HOST PORT | NAME a IPV4]...`. Everything else there is
//! doesn't exist.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test's own program ends where it is used wrongly"
)]

use std::net::{Ipv4Addr, UdpSocket};

/// A name, a type, and data in wire form.
struct Record {
    name: String,
    kind: u16,
    data: Vec<u8>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next();
    let listen = next().expect("where to listen");
    let mut zone = Vec::new();
    while let Some(name) = next() {
        let mut value = || next().expect("a record's value");
        let (kind, data) = match value().as_str() {
            "a" => (1, value().parse::<Ipv4Addr>().unwrap().octets().to_vec()),
            "srv" => {
                let target = wire(&value());
                let port: u16 = value().parse().expect("a port");
                (
                    33,
                    [&[0, 0, 0, 0], &port.to_be_bytes()[..], &target].concat(),
                )
            }
            other => unreachable!("records of type {other} aren't served"),
        };
        zone.push(Record { name, kind, data });
    }
    let socket = UdpSocket::bind(listen).expect("the address is free");
    let mut buffer = [0; 1500];
    while let Ok((len, from)) = socket.recv_from(&mut buffer) {
        if let Some(answer) = answer(&buffer[..len], &zone) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// None for what is no question.
fn answer(query: &[u8], zone: &[Record]) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let len = usize::from(*query.get(at)?);
        if len == 0 {
            break;
        }
        let label = query.get(at + 1..=at + len)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += len + 1;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes(*query.get(at + 1..)?.first_chunk()?);
    let known = zone.iter().any(|record| record.name == name);
    let wanted = |record: &&Record| record.name == name && record.kind == kind;
    let records: Vec<&Record> = zone.iter().filter(wanted).collect();
    let code = if known { 0 } else { 3 };
    let mut bytes = query.get(..2)?.to_vec();
    bytes.extend([0x84, code, 0, 1]);
    bytes.extend(u16::try_from(records.len()).ok()?.to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend_from_slice(query.get(12..at + 5)?);
    for record in records {
        bytes.extend([0xc0, 0x0c]);
        bytes.extend(record.kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend(u16::try_from(record.data.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&record.data);
    }
    Some(bytes)
}
