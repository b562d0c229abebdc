//! Values as text: each reader's error says what to write instead.
#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "all writers are called in the same way, by the table"
)]

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;
use zre_beacon::{Broadcast, Interfaces};
use zre_session::{Engine, IpcDir};

use super::Settings;
use super::error::Wrong;
use crate::{Endpoint, Listen, SendPolicy, State};

/// Shorter times are taken for a mistake: a shorter interval would flood the
/// network with beacons.
const SHORTEST: Duration = Duration::from_millis(10);

/// Longer times are taken for a mistake.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What bytes are counted in, the largest first.
const UNITS: [(&str, u64); 4] = [
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("k", 1 << 10),
];

/// Text without a form: what isn't taken is found when the node starts.
pub(super) fn any(text: &str) -> Result<String, Wrong> {
    Ok(text.to_owned())
}

/// Whatever reads and writes itself.
pub(super) fn parsed<T>(text: &str) -> Result<T, Wrong>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse()
        .map_err(|error: T::Err| Wrong::new(error.to_string()))
}

/// An endpoint, in which a scope may be an interface's name: the endpoint itself has
/// its index.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, Wrong> {
    let named = text
        .split_once('%')
        .and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    match named {
        Some((before, (name, behind))) if name.parse::<u32>().is_err() => {
            let here = zre_beacon::interfaces().unwrap_or_default();
            let Some(interface) = here.iter().find(|interface| *interface.name == *name) else {
                let expected = format!("no interface here is called {name}: write one that is");
                return Err(Wrong::new(expected));
            };
            parsed(&format!("{before}%{}]{behind}", interface.index))
        }
        _ => parsed(text),
    }
}

/// An endpoint, behind which a key may stand, which is noted.
#[cfg(feature = "curve")]
pub(super) fn keyed_endpoint(to: &mut Settings, text: &str) -> Result<Endpoint, Wrong> {
    /// The characters of a key.
    const KEY: usize = 40;
    // A key may have a # in it, and so may a path.
    let at = text.len().checked_sub(KEY + 1);
    let split = at.and_then(|at| text.split_at_checked(at));
    let Some((before, key)) =
        split.and_then(|(before, rest)| Some((before, rest.strip_prefix('#')?)))
    else {
        return endpoint(text);
    };
    let endpoint = endpoint(before)?;
    to.peer_keys.insert(endpoint.clone(), parsed(key)?);
    Ok(endpoint)
}

#[cfg(not(feature = "curve"))]
pub(super) fn keyed_endpoint(_: &mut Settings, text: &str) -> Result<Endpoint, Wrong> {
    endpoint(text)
}

#[cfg(feature = "curve")]
pub(super) fn keyed_endpoint_text(of: &Settings, endpoint: &Endpoint) -> String {
    match of.peer_keys.get(endpoint) {
        Some(key) => format!("{endpoint}#{key}"),
        None => endpoint.to_string(),
    }
}

#[cfg(not(feature = "curve"))]
pub(super) fn keyed_endpoint_text(_: &Settings, endpoint: &Endpoint) -> String {
    endpoint.to_string()
}

/// Drops the keys of endpoints that aren't set any more.
#[cfg(feature = "curve")]
pub(super) fn drop_keys(to: &mut Settings) {
    let (peer, gossip) = (&to.peer, &to.gossip_connect);
    to.peer_keys
        .retain(|endpoint, _| peer.contains(endpoint) || gossip.contains(endpoint));
}

#[cfg(not(feature = "curve"))]
pub(super) fn drop_keys(_: &mut Settings) {}

pub(super) fn uuid(text: &str) -> Result<Uuid, Wrong> {
    let expected = "write 32 hex digits, with or without hyphens";
    Uuid::try_parse(text).map_err(|_| Wrong::new(expected))
}

pub(super) fn uuid_text(uuid: &Uuid) -> String {
    uuid.simple().to_string()
}

/// What only a build with DNS can use.
pub(super) fn dns(text: &str) -> Result<String, Wrong> {
    if cfg!(feature = "dns") {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new("leave it out: this build lacks the feature dns"))
    }
}

pub(super) fn pair(text: &str) -> Result<(&str, &str), Wrong> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, value)),
        _ => Err(Wrong::new("write it as KEY=VALUE")),
    }
}

pub(super) fn state(text: &str) -> Result<State, Wrong> {
    match text.parse::<State>() {
        Ok(state) if state.is_settable() => Ok(state),
        _ => {
            let names = ["init", "ready", "busy", "draining", "asleep"];
            let expected = "write init, ready, busy, draining, asleep, or a number from 128 to 255";
            Err(Wrong::word(text, names, expected))
        }
    }
}

pub(super) fn switch(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(Wrong::word(text, ["on", "off"], "write on or off")),
    }
}

pub(super) fn switch_text(on: &bool) -> String {
    if *on { "on" } else { "off" }.into()
}

/// A whole number of a range.
pub(super) fn number<T>(text: &str, least: T, most: T) -> Result<T, Wrong>
where
    T: Copy + std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let signed = text.starts_with('+');
    match text.parse::<T>() {
        Ok(number) if !signed && (least..=most).contains(&number) => Ok(number),
        _ => {
            let expected = format!("write a whole number from {least} to {most}");
            Err(Wrong::new(expected))
        }
    }
}

pub(super) fn time(text: &str) -> Result<Duration, Wrong> {
    let time = humantime::parse_duration(text)
        .map_err(|_| Wrong::new("write a time, as 250ms, 5s or 1m"))?;
    if (SHORTEST..=LONGEST).contains(&time) {
        Ok(time)
    } else {
        Err(Wrong::new("write a time from 10ms to 1day"))
    }
}

pub(super) fn time_text(time: &Duration) -> String {
    humantime::format_duration(*time)
        .to_string()
        .replace(' ', "")
}

pub(super) fn bytes(text: &str) -> Result<u64, Wrong> {
    let expected = "write a number of bytes, or one with k, M, G or T: 500k, 20M";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" => Some(1),
        unit => {
            let known = UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.map(|(_, bytes)| *bytes)
        }
    };
    let number = digits
        .parse::<u64>()
        .ok()
        .filter(|_| !digits.starts_with('+'));
    let (Some(unit), Some(number)) = (unit, number) else {
        return Err(Wrong::new(expected));
    };
    number
        .checked_mul(unit)
        .ok_or_else(|| Wrong::new("write less: no computer has so many bytes"))
}

/// An amount of bytes that this machine can address.
pub(super) fn room(text: &str) -> Result<usize, Wrong> {
    let too_many = |_| Wrong::new("write less: this machine can't address so many bytes");
    usize::try_from(bytes(text)?).map_err(too_many)
}

pub(super) fn bytes_text(bytes: &usize) -> String {
    let number = u64::try_from(*bytes).unwrap_or(u64::MAX);
    let fits = |(_, unit): &&(&str, u64)| number != 0 && number.is_multiple_of(*unit);
    match UNITS.iter().find(fits) {
        Some((name, unit)) => format!("{}{name}", number.checked_div(*unit).unwrap_or(number)),
        None => number.to_string(),
    }
}

/// An address with or without a port, which is 0 then.
pub(super) fn address(text: &str) -> Result<SocketAddr, Wrong> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok((ip, 0).into());
    }
    text.parse().map_err(|_| {
        Wrong::new(
            "write an address, or one with a port: 239.1.2.3, 239.1.2.3:5670, [ff02::1]:5670",
        )
    })
}

/// Without the port where that is 0.
pub(super) fn brief(addr: &SocketAddr) -> String {
    match addr.port() {
        0 => addr.ip().to_string(),
        _ => addr.to_string(),
    }
}

/// A name server: the port of DNS needn't be named.
pub(super) fn name_server(text: &str) -> Result<SocketAddr, Wrong> {
    // No form of the address would do in a build without DNS.
    dns(text)?;
    let mut addr = address(text)?;
    if addr.port() == 0 {
        addr.set_port(53);
    }
    Ok(addr)
}

pub(super) fn multicast_group(text: &str) -> Result<SocketAddr, Wrong> {
    let addr = address(text)?;
    if addr.ip().is_multicast() {
        return Ok(addr);
    }
    Err(Wrong::new(
        "write a multicast address (224.0.0.0/4 or ff00::/8), off or auto; for a broadcast \
         address there is the setting broadcast",
    ))
}

pub(super) fn broadcast(text: &str) -> Result<Broadcast, Wrong> {
    match text {
        "off" => Ok(Broadcast::Off),
        "auto" => Ok(Broadcast::Auto),
        _ => match address(text)? {
            SocketAddr::V4(addr) if !addr.ip().is_multicast() => {
                Ok(Broadcast::To(SocketAddrV4::new(*addr.ip(), addr.port())))
            }
            SocketAddr::V4(_) => Err(Wrong::new(
                "for a multicast group there is the setting multicast",
            )),
            SocketAddr::V6(_) => Err(Wrong::new("write an IPv4 address: IPv6 has no broadcast")),
        },
    }
}

pub(super) fn broadcast_text(broadcast: &Broadcast) -> String {
    match broadcast {
        Broadcast::Off => "off".into(),
        Broadcast::Auto => "auto".into(),
        Broadcast::To(addr) => brief(&(*addr).into()),
    }
}

pub(super) fn interface_names(interfaces: Option<&Interfaces>) -> Vec<String> {
    match interfaces {
        None => Vec::new(),
        Some(Interfaces::All) => vec!["*".into()],
        Some(Interfaces::Loopback) => vec!["lo".into()],
        Some(Interfaces::Named(names)) => names.clone(),
    }
}

/// One port, at one address or at all.
pub(super) fn gossip_bind(text: &str) -> Result<Vec<SocketAddr>, Wrong> {
    let listen: Listen = parsed(text)?;
    let (addrs, ports) = (listen.addrs(), listen.ports());
    let port = *ports.start();
    if addrs.is_empty() || port == 0 || port != *ports.end() {
        return Err(Wrong::new("write an address and one port, as tcp://*:5680"));
    }
    Ok(addrs.into_iter().map(|addr| (addr, port).into()).collect())
}

pub(super) fn tcp(addr: &SocketAddr) -> String {
    format!("tcp://{addr}")
}

pub(super) fn engine(text: &str) -> Result<Engine, Wrong> {
    match text {
        "native" => Ok(Engine::Native),
        #[cfg(feature = "zeromq")]
        "zeromq" => Ok(Engine::ZeroMq),
        #[cfg(not(feature = "zeromq"))]
        "zeromq" => Err(Wrong::new(
            "this build has the native engine only: turn the feature zeromq of zre on",
        )),
        _ => {
            let names = ["native", "zeromq"];
            Err(Wrong::word(text, names, "write native or zeromq"))
        }
    }
}

pub(super) fn engine_text(engine: &Engine) -> String {
    match engine {
        #[cfg(feature = "zeromq")]
        Engine::ZeroMq => "zeromq",
        _ => "native",
    }
    .into()
}

pub(super) fn ipc(text: &str) -> Result<IpcDir, Wrong> {
    match text {
        "" => Err(Wrong::new("write auto, off, or a directory")),
        "auto" => Ok(IpcDir::Auto),
        "off" => Ok(IpcDir::Off),
        directory => Ok(IpcDir::Path(PathBuf::from(directory))),
    }
}

/// A path that isn't UTF-8 can't be written as text without loss.
pub(super) fn ipc_text(ipc: &IpcDir) -> String {
    match ipc {
        IpcDir::Auto => "auto".into(),
        IpcDir::Off => "off".into(),
        IpcDir::Path(path) => path.to_string_lossy().into_owned(),
    }
}

pub(super) fn send_policy(text: &str) -> Result<SendPolicy, Wrong> {
    match (text, text.strip_prefix("wait:")) {
        ("wait", _) => Ok(SendPolicy::default()),
        ("reject", _) => Ok(SendPolicy::Reject),
        ("disconnect", _) => Ok(SendPolicy::Disconnect),
        (_, Some(patience)) => time(patience).map(SendPolicy::Wait),
        _ => {
            let names = ["wait", "reject", "disconnect"];
            let expected = "write wait, reject or disconnect, or how long to wait: wait:2s";
            Err(Wrong::word(text, names, expected))
        }
    }
}

pub(super) fn send_policy_text(policy: &SendPolicy) -> String {
    match policy {
        SendPolicy::Wait(patience) => format!("wait:{}", time_text(patience)),
        SendPolicy::Reject => "reject".into(),
        SendPolicy::Disconnect => "disconnect".into(),
    }
}
