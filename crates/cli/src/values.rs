//! What can be written behind an option: each reader says what would have been
//! right.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use zre::{Broadcast, IpcDir, Listen, State, Uuid};

/// Shorter intervals would flood the network with beacons.
const SHORTEST: Duration = Duration::from_millis(10);
/// Longer times are taken for a mistake.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What `--multicast` says once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multicast {
    Off,
    /// With port 0 where none was said.
    Group(SocketAddr),
}

pub(crate) fn uuid(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| "it has 32 hex digits, with or without hyphens".into())
}

pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("write it as KEY=VALUE".into()),
    }
}

pub(crate) fn state(text: &str) -> Result<State, String> {
    let state: State = text
        .parse()
        .map_err(|error: zre::StateError| error.to_string())?;
    if state.is_settable() {
        Ok(state)
    } else {
        Err("a node can't be given it: say init, ready, busy, draining, asleep, or a number from 128 to 255".into())
    }
}

pub(crate) fn multicast(text: &str) -> Result<Multicast, String> {
    if text == "off" {
        return Ok(Multicast::Off);
    }
    let addr = address(text)?;
    if addr.ip().is_multicast() {
        Ok(Multicast::Group(addr))
    } else {
        Err("it is no multicast address (224.0.0.0/4 or ff00::/8); a broadcast address goes to --broadcast".into())
    }
}

pub(crate) fn broadcast(text: &str) -> Result<Broadcast, String> {
    match text {
        "off" => Ok(Broadcast::Off),
        "auto" => Ok(Broadcast::Auto),
        _ => match address(text)? {
            SocketAddr::V4(addr) if !addr.ip().is_multicast() => {
                Ok(Broadcast::To(SocketAddrV4::new(*addr.ip(), addr.port())))
            }
            SocketAddr::V4(_) => Err("a multicast group goes to --multicast".into()),
            SocketAddr::V6(_) => Err("IPv6 has no broadcast".into()),
        },
    }
}

/// An address with or without a port, which is 0 then.
fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok((ip, 0).into());
    }
    text.parse().map_err(|_| {
        "write an address, or one with a port: 239.1.2.3, 239.1.2.3:5670, [ff02::1]:5670".into()
    })
}

/// An address whose port is DNS's own where none is said.
pub(crate) fn name_server(text: &str) -> Result<SocketAddr, String> {
    let mut addr = address(text)?;
    if addr.port() == 0 {
        addr.set_port(53);
    }
    Ok(addr)
}

pub(crate) fn gossip_bind(text: &str) -> Result<SocketAddr, String> {
    let listen: Listen = text
        .parse()
        .map_err(|error: zre::ListenError| error.to_string())?;
    let (ports, addr) = (listen.ports(), listen.addr());
    match addr {
        Some(addr) if ports.start() == ports.end() && *ports.start() != 0 => {
            Ok((addr, *ports.start()).into())
        }
        _ => Err("write an address and one port, as tcp://0.0.0.0:5680".into()),
    }
}

pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{error}: write 250ms, 5s or 1m"))?;
    if (SHORTEST..=LONGEST).contains(&time) {
        Ok(time)
    } else {
        Err("it must be from 10ms to 1day".into())
    }
}

/// An amount of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(split.unwrap_or(text.len()));
    let unit = match unit {
        "" => 1u64,
        "k" | "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err("write a number, or one with k, M, G or T: 500k, 20M".into()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "write a number, or one with k, M, G or T: 500k, 20M")?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "that is more than there is".into())
}

pub(crate) fn ipc(text: &str) -> Result<IpcDir, String> {
    match text {
        "" => Err("say auto, off, or a directory".into()),
        "auto" => Ok(IpcDir::Auto),
        "off" => Ok(IpcDir::Off),
        directory => Ok(IpcDir::Path(PathBuf::from(directory))),
    }
}

pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("say on or off".into()),
    }
}
