//! `zre doctor`: finds out why two machines don't see each other.

mod dns;
mod echo;
mod finding;
mod firewall;
mod host;
mod port;
mod reach;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use zre::{
    Builder, Endpoint, Interface, Interfaces, IpcDir, Node, PublicKey, Settings, StartError, Uuid,
};
use zre_beacon::{Beacon, Config, Datagrams};
use zre_proto::Beacon as Decoded;

use crate::failure::Failure;
use crate::options::Options;
use crate::signals::Signals;
use crate::values::{endpoint, time};
use crate::visit::{Visit, print, visit};

#[cfg(test)]
pub(crate) use self::finding::Finding as FindingLine;
use self::finding::{Finding, Level};

/// The maximum number of heard nodes that are dialled.
const HEARD: usize = 32;

/// How long a peer may take to answer the greeting.
const GREETING: Duration = Duration::from_secs(5);

/// Find out why nodes don't see each other.
///
/// Checks the interfaces, sends a few bytes by multicast and broadcast and waits
/// for them to come back, listens for other nodes, looks up which programs use the
/// port, reads the firewall's rules and the limit on open files, and gives advice
/// on each problem. It dials and greets the nodes that it hears and the endpoints
/// that you give; for that time it is a peer of its own.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct DoctorCommand {
    /// Nodes that should be reachable, as tcp://192.168.1.2:49152
    #[arg(value_name = "ENDPOINT", value_parser = endpoint)]
    reach: Vec<Endpoint>,

    /// How long to listen for other nodes
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    wait: Duration,

    /// Write JSON lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: Options,
}

const HELP: &str = r#"Pass the same options as the node you can't see. A probe that comes back proves only
that this host lets it through; beacons from other hosts prove that the network
works.

With --json, a line a finding:
  {"event":"finding","level":"ok|note|problem","check":..,"text":..,"advice":..}

Exit code: 0 where there is no problem, 1 where there is one.

Examples:
  zre doctor
  zre doctor --interface eth0 tcp://192.168.1.2:49152
  zre doctor --dns example.org
  sudo zre doctor      (sees firewall rules, and who holds the port)"#;

pub(crate) async fn doctor(command: DoctorCommand) -> Result<ExitCode, Failure> {
    let mut signals = Signals::catch().map_err(Failure::System)?;
    let findings = tokio::select! {
        findings = examine(&command) => findings?,
        () = signals.recv() => return Err(Failure::Interrupted),
    };
    let mut lines = Vec::new();
    for finding in &findings {
        finding.write(command.json, &mut lines);
    }
    print(lines).await?;
    match findings.iter().any(|f| f.level == Level::Problem) {
        true => Ok(ExitCode::FAILURE),
        false => Ok(ExitCode::SUCCESS),
    }
}

async fn examine(command: &DoctorCommand) -> Result<Vec<Finding>, Failure> {
    let settings = &command.options.settings;
    let mut findings = Vec::new();
    let (port, ttl) = (settings.udp_port(), settings.ttl);
    let chosen = settings.interface.clone().or_else(Interfaces::from_env);
    let chosen = chosen.unwrap_or(Interfaces::All);
    // Must come before our own sockets use the port.
    let shared = blocking(move || port::examine(port)).await;

    let places = match chosen.resolve() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            let advice = "name one of those with --interface, or leave the option out to use all";
            findings.push(Finding::problem("interface", error.to_string(), advice));
            Vec::new()
        }
    };
    findings.extend(missing(&chosen, &places));
    let named = matches!(chosen, Interfaces::Named(_) | Interfaces::Loopback);
    findings.extend(places.iter().map(|interface| look_at(interface, named)));
    let usable = |interface: &&Interface| interface.problem.is_none();
    let outside = places.iter().filter(usable).any(|i| !i.loopback);
    if chosen != Interfaces::Loopback && !places.is_empty() && !outside {
        let text = "no interface but loopback is usable: other hosts can't be met";
        let advice = match cfg!(target_os = "linux") {
            true => "bring an interface up, with an address: ip link, ip addr",
            false => "bring an interface up, with an address, in the system's settings",
        };
        findings.push(Finding::problem("interface", text, advice));
    }
    if ttl == 0 && outside {
        let text = "a TTL of 0 keeps multicasts on this host";
        let advice = "leave --ttl (ZRE_TTL) out, or set it to 1 or more";
        findings.push(Finding::problem("ttl", text, advice));
    }

    let groups = groups(settings);
    let broadcast = settings.broadcast;
    let mut heard = Heard::default();
    if !settings.no_beacon && !places.is_empty() {
        let mut config = Config::default();
        config.port = port;
        config.interfaces = chosen;
        config.groups = groups.clone();
        config.ttl = ttl;
        config.broadcast = broadcast;
        match Beacon::open(config) {
            Err(error) => {
                let advice = "a node with these options can't start until this is solved";
                findings.push(Finding::problem("port", error.to_string(), advice));
            }
            Ok((beacon, datagrams)) => {
                findings.push(shared);
                let ways = places.iter().filter(usable);
                let ways = ways.flat_map(|i| echo::ways(i, &groups, broadcast, port));
                findings.extend(send(ways.collect(), ttl).await);
                heard = listen(datagrams, command.wait).await;
                findings.extend(heard.findings(&beacon, command.wait));
            }
        }
    }
    findings.extend(blocking(move || firewall::examine(port)).await);
    findings.extend(host::clock().await);
    findings.extend(host::descriptors());
    if let Some(domain) = &settings.dns {
        let name = format!("{}.{domain}", settings.dns_service);
        findings.extend(dns::examine(&name, settings.dns_server).await);
    }
    if !places.is_empty() {
        findings.extend(meet(command).await?);
        let asked = |(_, addr, _): &Announced| command.reach.contains(&Endpoint::Tcp(*addr));
        let others = heard.nodes().filter(|node| !asked(node)).take(HEARD);
        findings.extend(reach_heard(others, command).await?);
    }
    Ok(findings)
}

/// Chosen interfaces that have no address: a node waits for them.
fn missing(chosen: &Interfaces, places: &[Interface]) -> Vec<Finding> {
    let advice = "bring it up, with an address; until then a node waits for it";
    let problem = |text: String| Finding::problem("interface", text, advice);
    match chosen {
        Interfaces::Named(names) if !places.is_empty() || names.len() == 1 => {
            let lacks = |name: &&String| match Interfaces::Named(vec![(*name).clone()]).resolve() {
                Ok(found) => found.is_empty(),
                // A single interface was reported before.
                Err(_) => names.len() > 1,
            };
            let lacking = names.iter().filter(lacks);
            lacking
                .map(|name| problem(format!("{name} has no address, or doesn't exist")))
                .collect()
        }
        Interfaces::Named(_) => Vec::new(),
        _ if places.is_empty() => {
            vec![problem("no interface is up and has an address".to_owned())]
        }
        _ => Vec::new(),
    }
}

/// Checks that a named interface is usable.
fn look_at(interface: &Interface, named: bool) -> Finding {
    match &interface.problem {
        None => Finding::ok("interface", format!("{interface} is usable")),
        Some(why) if named => Finding::problem(
            "interface",
            format!("{interface}: {why}"),
            match cfg!(target_os = "linux") {
                true => format!("bring it up: ip link set {} up", interface.name),
                false => format!("bring {} up in the system's settings", interface.name),
            },
        ),
        Some(why) => Finding::note("interface", format!("{interface}: {why}")),
    }
}

fn groups(settings: &Settings) -> Vec<SocketAddr> {
    settings.multicast.clone().unwrap_or_else(|| {
        let known = [zre::MULTICAST_V4, zre::MULTICAST_V6].into_iter();
        known.filter_map(|group| group.parse().ok()).collect()
    })
}

/// Tries all paths at once, because each takes some time if nothing comes back.
async fn send(ways: Vec<echo::Way>, ttl: u32) -> Vec<Finding> {
    let tried: Vec<_> = ways
        .into_iter()
        .map(|way| tokio::task::spawn_blocking(move || way.examine(ttl)))
        .collect();
    let mut findings = Vec::new();
    for finding in tried {
        findings.extend(finding.await);
    }
    findings
}

/// The nodes that announce themselves, with their addresses, by interface.
#[derive(Default)]
struct Heard(BTreeMap<Arc<str>, BTreeSet<Announced>>);

/// Who is where, with which key, by a beacon.
type Announced = (Uuid, SocketAddr, Option<[u8; 32]>);

/// Listens for beacons of other nodes.
async fn listen(mut datagrams: Datagrams, wait: Duration) -> Heard {
    let mut heard = Heard::default();
    let all = async {
        while let Some(datagram) = datagrams.recv().await {
            let Ok(decoded) = Decoded::decode(&datagram.payload) else {
                continue;
            };
            let nodes = heard.0.entry(datagram.interface_name).or_default();
            let mut addr = datagram.from;
            addr.set_port(decoded.port());
            // The list is limited, because a peer may flood us.
            if nodes.len() < 1000 {
                let key = match decoded {
                    Decoded::Curve { public_key, .. } => Some(public_key),
                    _ => None,
                };
                nodes.insert((decoded.uuid(), addr, key));
            }
        }
    };
    let _ = tokio::time::timeout(wait, all).await;
    heard
}

impl Heard {
    fn findings(&self, beacon: &Beacon, wait: Duration) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut silent: BTreeMap<Arc<str>, bool> = BTreeMap::new();
        for interface in beacon.interfaces() {
            if interface.problem.is_none() && !self.0.contains_key(&interface.name) {
                silent.insert(interface.name, interface.loopback);
            }
        }
        for (interface, loopback) in silent {
            let advice = match loopback {
                true => "",
                false => {
                    "; if nodes run there, a switch or access point may isolate its clients, or \
                     drop multicasts and broadcasts"
                }
            };
            let text = format!("no node heard over {interface} in {wait:?}{advice}");
            findings.push(Finding::note("heard", text));
        }
        for (interface, nodes) in &self.0 {
            for (uuid, addr, key) in nodes {
                let key = match key {
                    Some(key) => format!(", with the key {}", PublicKey::from(*key)),
                    None => String::new(),
                };
                let text = format!("{} at {addr} over {interface}{key}", uuid.simple());
                findings.push(Finding::ok("heard", text));
            }
        }
        findings
    }

    /// The nodes that can be dialled, each address once.
    fn nodes(self) -> impl Iterator<Item = Announced> {
        let all: BTreeSet<_> = self.0.into_values().flatten().collect();
        all.into_iter().filter(|(_, addr, _)| addr.port() != 0)
    }
}

/// Connects to the nodes that were heard, and waits for their greetings: a firewall may
/// block TCP although beacons pass.
async fn reach_heard(
    nodes: impl Iterator<Item = Announced>,
    command: &DoctorCommand,
) -> Result<Vec<Finding>, Failure> {
    let with_keys = command.options.settings.keys.is_some();
    let dials = nodes.map(|node| async move {
        let (finding, connects) = reach::connect(&Endpoint::Tcp(node.1)).await;
        (node, finding, connects)
    });
    let dials: Vec<_> = dials.map(tokio::spawn).collect();
    let mut findings = Vec::new();
    let mut reachable = Vec::new();
    for dial in dials {
        match dial.await {
            Ok(((_, addr, None), _, true)) if with_keys => findings.push(reach::keyless(addr)),
            Ok((node, _, true)) => reachable.push(node),
            Ok((_, finding, false)) => findings.push(finding),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    if reachable.is_empty() {
        return Ok(findings);
    }
    let mut builder = command.options.builder().no_beacon();
    for (_, addr, key) in &reachable {
        let endpoint = Endpoint::Tcp(*addr);
        builder = match key {
            Some(key) if with_keys => builder.peer_with_key(endpoint, (*key).into()),
            _ => builder.peer(endpoint),
        };
    }
    let greet = async |visit: &Visit| {
        let missing = |node: &Node| {
            let here: BTreeSet<Uuid> = node.peers().iter().map(zre::Peer::uuid).collect();
            reachable
                .iter()
                .filter(|(uuid, ..)| !here.contains(uuid))
                .count()
        };
        visit
            .until(GREETING, |node| (missing(node) == 0).then_some(()))
            .await;
        let node = visit.node();
        let refusal = refusal(node).await;
        let findings = reachable.iter().map(|(uuid, addr, _)| {
            let peers = node.peers();
            let peer = peers.iter().find(|peer| peer.uuid() == *uuid);
            reach::greeted(&Endpoint::Tcp(*addr), peer, refusal.as_deref(), node)
        });
        Ok(findings.collect())
    };
    findings.extend(started(builder, greet).await?);
    Ok(findings)
}

/// Starts the node, without beacons, and dials the endpoints.
async fn meet(command: &DoctorCommand) -> Result<Vec<Finding>, Failure> {
    let builder = || command.options.builder();
    let off = command.options.settings.ipc == IpcDir::Off;
    let look = async |visit: &Visit| Ok(vec![host::ipc(visit.node(), off)]);
    let mut findings = started(builder().no_beacon(), look).await?;
    for endpoint in &command.reach {
        let (finding, connects) = reach::connect(endpoint).await;
        findings.push(finding);
        if connects {
            let builder = builder().no_beacon().peer(endpoint.clone());
            let greet = async |visit: &Visit| {
                let somebody = |node: &Node| (!node.peers().is_empty()).then_some(());
                visit.until(GREETING, somebody).await;
                let node = visit.node();
                let refusal = refusal(node).await;
                let peers = node.peers();
                let finding = reach::greeted(endpoint, peers.first(), refusal.as_deref(), node);
                Ok(vec![finding])
            };
            findings.extend(started(builder, greet).await?);
        }
    }
    Ok(findings)
}

/// Why the node and a peer don't let each other in, if one of them has refused.
async fn refusal(node: &Node) -> Option<String> {
    node.stats().await.ok()?.last_refusal
}

/// Reports a node that can't start as a finding.
async fn started(
    builder: Builder,
    work: impl AsyncFnOnce(&Visit) -> Result<Vec<Finding>, Failure>,
) -> Result<Vec<Finding>, Failure> {
    match visit(builder, work).await {
        Ok((findings, _)) => Ok(findings),
        Err(Failure::Start(StartError::Ipc(why))) => Ok(vec![host::ipc_problem(&why)]),
        Err(Failure::Start(error)) => {
            let advice = "change the options that it names";
            Ok(vec![Finding::problem("start", error.to_string(), advice)])
        }
        Err(other) => Err(other),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
