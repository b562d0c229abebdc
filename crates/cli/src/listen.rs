//! `zre listen`: shows the beacons on the network.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;
use zre::{Interfaces, Settings};
use zre_beacon::{CastKind, Config, Datagram};
use zre_proto::Beacon;

use crate::failure::Failure;
use crate::options::Places;
use crate::output::Output;
use crate::signals::Signals;

/// Waiting beacons are written together, up to about so many bytes.
const BATCH: usize = 64 * 1024;

/// The groups of other implementations: C Zyre in IPv6 mode, and gyre.
const ELSEWHERE: [&str; 2] = ["[ff02::1]:0", "224.0.0.250:0"];

/// Show the beacons on the network, one per line.
///
/// It only listens: it isn't a peer, nobody sees it, and it shares the port with the
/// nodes on this host. Runs until Ctrl-C, or until --count datagrams have come.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct ListenCommand {
    /// Stop after that many datagrams
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Write JSON lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    places: Places,
}

const HELP: &str = r#"A line has the time (UTC), the interface, the sender, multicast or broadcast, the
form, the node's UUID, the TCP port of its inbox, and its state:

  2026-03-01T12:00:00.123Z eth0 192.168.1.7 multicast state 5f0c..9b port 49152 ready
  2026-03-01T12:00:00.124Z eth0 192.168.1.7 broadcast classic 5f0c..9b port 49152
  2026-03-01T12:00:09.500Z eth0 192.168.1.7 broadcast classic 5f0c..9b leaves

The form is classic (every implementation), state, or curve (C Zyre with a
key). A datagram that isn't a beacon is shown with the reason. Without --multicast,
it listens to this program's groups, and to those that C Zyre and gyre use.

With --json:
  {"event":"beacon","time":..,"interface":..,"from":..,"cast":..,"form":..,
   "uuid":..,"port":..,"state":..,"leaving":..,"public_key":..}
  {"event":"malformed","time":..,"interface":..,"from":..,"cast":..,
   "length":..,"error":..}

Examples:
  zre listen
  zre listen --interface eth0 --count 10
  zre listen --json | jq -r 'select(.leaving).uuid'"#;

pub(crate) async fn listen(command: ListenCommand) -> Result<ExitCode, Failure> {
    let mut signals = Signals::catch().map_err(Failure::System)?;
    let config = config(command.places.settings);
    // The sockets close when the handle is dropped.
    let (beacon, mut datagrams) = zre_beacon::Beacon::open(config)?;
    if !beacon.is_usable() {
        return Err(Failure::Interfaces(beacon.problems()));
    }
    let (output, written) = Output::open();
    let mut signalled = false;
    let mut left = command.count.unwrap_or(u64::MAX);
    while left > 0 {
        let datagram = tokio::select! {
            datagram = datagrams.recv() => datagram,
            () = signals.recv() => {
                signalled = true;
                break;
            }
            () = output.closed() => break,
        };
        let mut lines = Vec::new();
        let mut next = datagram;
        while let Some(datagram) = next {
            write(&datagram, command.json, &mut lines);
            left -= 1;
            next = match left > 0 && lines.len() < BATCH {
                true => datagrams.try_recv(),
                false => None,
            };
        }
        tokio::select! {
            open = output.write(lines) => if !open { break },
            () = signals.recv() => {
                signalled = true;
                break;
            }
        }
    }
    let stuck = output.stuck();
    drop(output);
    tokio::select! {
        result = written => match result {
            Ok(Err(error)) => Err(Failure::Output(error)),
            _ => Ok(ExitCode::SUCCESS),
        },
        () = stuck, if signalled => Err(Failure::Unread),
        () = signals.recv() => Err(Failure::Unread),
    }
}

/// What is heard, without the groups of others where the user named some.
fn config(settings: Settings) -> Config {
    let mut config = Config::default();
    config.port = settings.udp_port();
    config.groups = settings.multicast.unwrap_or_else(|| {
        let known = [zre::MULTICAST_V4, zre::MULTICAST_V6].into_iter();
        let groups: BTreeSet<SocketAddr> = known
            .chain(ELSEWHERE)
            .filter_map(|group| group.parse().ok())
            .collect();
        groups.into_iter().collect()
    });
    config.interfaces = settings
        .interface
        .or_else(Interfaces::from_env)
        .unwrap_or(Interfaces::All);
    config.broadcast = settings.broadcast;
    config
}

/// A datagram as a JSON line.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Heard<'a> {
    Beacon {
        time: String,
        interface: &'a str,
        from: String,
        cast: &'static str,
        form: &'static str,
        uuid: String,
        port: u16,
        state: Option<String>,
        leaving: bool,
        public_key: Option<String>,
    },
    Malformed {
        time: String,
        interface: &'a str,
        from: String,
        cast: &'static str,
        length: usize,
        error: String,
    },
}

fn write(datagram: &Datagram, json: bool, lines: &mut Vec<u8>) {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let heard = Heard::new(datagram, time);
    if json {
        crate::json::line(&heard, lines);
    } else {
        // Writing to memory doesn't fail.
        let _ = writeln!(lines, "{heard}");
    }
}

impl<'a> Heard<'a> {
    fn new(datagram: &'a Datagram, time: String) -> Self {
        let interface = &*datagram.interface_name;
        let from = datagram.from.ip().to_string();
        let cast = match datagram.cast {
            CastKind::Multicast => "multicast",
            CastKind::Broadcast => "broadcast",
            _ => "otherwise",
        };
        match Beacon::decode(&datagram.payload) {
            Ok(beacon) => Self::Beacon {
                time,
                interface,
                from,
                cast,
                form: match beacon {
                    Beacon::Classic { .. } => "classic",
                    Beacon::State { .. } => "state",
                    Beacon::Curve { .. } => "curve",
                },
                uuid: beacon.uuid().simple().to_string(),
                port: beacon.port(),
                state: beacon.state().map(|state| state.to_string()),
                leaving: beacon.is_leaving(),
                public_key: match &beacon {
                    Beacon::Curve { public_key, .. } => Some(hex(public_key)),
                    _ => None,
                },
            },
            Err(error) => Self::Malformed {
                time,
                interface,
                from,
                cast,
                length: datagram.payload.len(),
                error: error.to_string(),
            },
        }
    }
}

impl std::fmt::Display for Heard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Beacon {
                time,
                interface,
                from,
                cast,
                form,
                uuid,
                port,
                state,
                leaving,
                public_key,
            } => {
                write!(f, "{time} {interface} {from} {cast} {form} {uuid}")?;
                match port {
                    0 => {}
                    port => write!(f, " port {port}")?,
                }
                match (leaving, state) {
                    (true, _) => f.write_str(" leaves")?,
                    (false, Some(state)) => write!(f, " {state}")?,
                    (false, None) => {}
                }
                match public_key {
                    Some(key) => write!(f, " key {key}"),
                    None => Ok(()),
                }
            }
            Self::Malformed {
                time,
                interface,
                from,
                cast,
                length,
                error,
            } => write!(
                f,
                "{time} {interface} {from} {cast} {length} bytes: {error}"
            ),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
