//! `zre doctor`: why two machines don't see each other.

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
use zre::{Builder, Endpoint, Interface, Interfaces, IpcDir, Node, Settings};
use zre_beacon::{Beacon, Config, Datagrams};
use zre_proto::Beacon as Decoded;

use crate::failure::Failure;
use crate::options::Options;
use crate::signals::Signals;
use crate::values::time;
use crate::visit::{Visit, print, visit};

use self::finding::{Finding, Level};

/// How long a peer may take to greet back.
const GREETING: Duration = Duration::from_secs(5);

/// Find out why nodes don't see each other.
///
/// Looks at the interfaces, sends a few bytes by multicast and broadcast and
/// waits for them to come back, listens for other nodes, asks who holds the
/// port, reads the firewall's rules, and says what to do about what is wrong.
/// An endpoint that is named is dialled and greeted; the command then is a peer
/// of its own for that time.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct DoctorCommand {
    /// Nodes that should be reachable, as tcp://192.168.1.2:49152
    #[arg(value_name = "ENDPOINT")]
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

const HELP: &str = r#"Give it the options that the node has that isn't seen: it examines what that node
would use. What comes back shows that this host lets it pass in both directions;
that it reaches other hosts, their beacons show.

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
    // Before we hold it ourselves.
    let shared = blocking(move || port::examine(port)).await;

    let places = match chosen.resolve() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            let advice = "name one of those by --interface, or none for all";
            findings.push(Finding::problem("interface", error.to_string(), advice));
            Vec::new()
        }
    };
    let named = matches!(chosen, Interfaces::Named(_));
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
        let advice = "leave --ttl (ZRE_TTL) out, or say 1 or more";
        findings.push(Finding::problem("ttl", text, advice));
    }

    let groups = groups(settings);
    let broadcast = settings.broadcast;
    if !settings.no_beacon && !places.is_empty() {
        let mut config = Config::default();
        config.port = port;
        config.interfaces = chosen;
        config.groups = groups.clone();
        config.ttl = ttl;
        config.broadcast = broadcast;
        match Beacon::open(config) {
            Err(error) => {
                let advice = "that keeps nodes with these options from starting at all";
                findings.push(Finding::problem("port", error.to_string(), advice));
            }
            Ok((beacon, datagrams)) => {
                findings.push(shared);
                let ways = places.iter().filter(usable);
                let ways = ways.flat_map(|i| echo::ways(i, &groups, broadcast, port));
                findings.extend(send(ways.collect(), ttl).await);
                findings.extend(listen(&beacon, datagrams, command.wait).await);
            }
        }
    }
    findings.extend(blocking(move || firewall::examine(port)).await);
    findings.extend(host::clock().await);
    if let Some(domain) = &settings.dns {
        let name = format!("{}.{domain}", settings.dns_service);
        findings.extend(dns::examine(&name, settings.dns_server).await);
    }
    if !places.is_empty() {
        findings.extend(meet(command).await?);
    }
    Ok(findings)
}

/// An interface that was named should be usable.
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

/// All ways at once: each takes its time where nothing comes back.
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

/// Who announces itself, by interface.
async fn listen(beacon: &Beacon, mut datagrams: Datagrams, wait: Duration) -> Vec<Finding> {
    let mut heard: BTreeMap<Arc<str>, BTreeSet<String>> = BTreeMap::new();
    for interface in beacon.interfaces() {
        if interface.problem.is_none() {
            heard.entry(interface.name).or_default();
        }
    }
    let all = async {
        while let Some(datagram) = datagrams.recv().await {
            let Ok(decoded) = Decoded::decode(&datagram.payload) else {
                continue;
            };
            let names = heard.entry(datagram.interface_name).or_default();
            let addr = SocketAddr::new(datagram.from.ip(), decoded.port());
            // Whoever floods the network isn't listed to the end.
            if names.len() < 1000 {
                names.insert(format!("{} at {addr}", decoded.uuid().simple()));
            }
        }
    };
    let _ = tokio::time::timeout(wait, all).await;
    let mut findings = Vec::new();
    for (interface, nodes) in heard {
        if nodes.is_empty() {
            let text = format!("nobody heard over {interface} in {wait:?}");
            findings.push(Finding::note("heard", text));
        }
        for node in nodes {
            findings.push(Finding::ok("heard", format!("{node} over {interface}")));
        }
    }
    findings
}

/// Starts the node, without beacons, and dials whom it should reach.
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
                Ok(vec![reach::greeted(endpoint, visit.node())])
            };
            findings.extend(started(builder, greet).await?);
        }
    }
    Ok(findings)
}

/// A node that can't start is a finding.
async fn started(
    builder: Builder,
    work: impl AsyncFnOnce(&Visit) -> Result<Vec<Finding>, Failure>,
) -> Result<Vec<Finding>, Failure> {
    match visit(builder, work).await {
        Ok((findings, _)) => Ok(findings),
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
