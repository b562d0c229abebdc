//! `zre ping`: measures round trips to peers.

mod tally;

#[cfg(test)]
pub(crate) use tally::Line as PingLine;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use zre::json::{Command, Line as Answer, Member, Ping};
use zre::{Node, Uuid};

use crate::commands::carry_out;
use crate::control::Remote;
use crate::failure::Failure;
use crate::gathering::Purpose;
use crate::json;
use crate::output::Output;
use crate::running;
use crate::signals::Signals;
use crate::text::shown;
use crate::values::time;
use crate::visit::{Visit, VisitOptions, visit};

use self::tally::{Line, Tally};

/// Measure round trips to peers.
///
/// Every ZRE implementation answers a PING. The time includes the waiting time in
/// the queues of both nodes: it is the time that a message and its answer take
/// now. Runs until Ctrl-C, or until each peer got --count PINGs.
///
/// The command joins the network as a peer of its own. With --control, a running
/// node sends the PINGs, over its existing links.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct PingCommand {
    /// The peer's name or UUID
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    peer: Option<String>,

    /// Ping all present peers
    #[arg(long)]
    all: bool,

    /// The number of PINGs to each peer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// The time between two PINGs to a peer, as 1s or 200ms
    #[arg(long = "every", value_name = "TIME", default_value = "1s", value_parser = time)]
    every: Duration,

    /// How long an answer may take
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    timeout: Duration,

    #[command(flatten)]
    visit: VisitOptions,
}

const HELP: &str = r#"With --json:
  {"event":"pong","peer":..,"name":..,"number":1,"ms":0.213}
  {"event":"lost","peer":..,"name":..,"number":2,"why":..}
  and at the end, for each peer:
  {"event":"statistics","peer":..,"name":..,"sent":2,"answered":1,
   "min_ms":..,"avg_ms":..,"max_ms":..,"mdev_ms":..}

Exit code: 0 where every peer answered at least once, 1 where one didn't, or
nobody was here.

Examples:
  zre ping bob
  zre ping --all --count 3
  zre --control /tmp/node ping bob --count 1 --json | jq .ms"#;

pub(crate) async fn ping(
    command: PingCommand,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let options = &command.visit;
    let (output, written) = Output::open();
    // Outside of the future that a signal ends, because they are shown after that.
    let tallies = RefCell::new(BTreeMap::new());
    let result = match control {
        Some(path) => {
            let mut signals = Signals::catch().map_err(Failure::System)?;
            tokio::select! {
                result = through(&command, path, &tallies, &output) => result,
                () = signals.recv() => Err(Failure::Interrupted),
            }
        }
        None => {
            let work = async |visit: &Visit| {
                let only = match &command.peer {
                    Some(peer) => Some(Member::from(&visit.find(peer, options.wait).await?)),
                    None => {
                        visit.gather(options.wait, Purpose::Act).await;
                        None
                    }
                };
                let route = Route::Own(visit.node());
                run(&command, only, route, &tallies, &output).await
            };
            let visited = visit(options.node.builder(), work).await;
            visited.map(|(result, _)| result)
        }
    };
    let tallies = tallies.into_inner();
    match result {
        // Ctrl-C is the usual way to end this command.
        Err(Failure::Interrupted) if !tallies.is_empty() => {}
        other => other?,
    }
    let mut lines = Vec::new();
    for tally in tallies.values() {
        tally.tell(options.json, &mut lines);
    }
    output.write(lines).await;
    drop(output);
    if let Ok(Err(error)) = written.await {
        return Err(Failure::Output(error));
    }
    match tallies.values().all(|tally| tally.times.count > 0) {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

async fn through(
    command: &PingCommand,
    path: &Path,
    tallies: &RefCell<BTreeMap<Uuid, Tally>>,
    output: &Output,
) -> Result<(), Failure> {
    let mut remote = Remote::connect(path).await?;
    let only = match &command.peer {
        Some(peer) => Some(running::find(&mut remote, peer).await?),
        None => None,
    };
    run(command, only, Route::Running(remote), tallies, output).await
}

/// The node that pings.
enum Route<'a> {
    Own(&'a Node),
    Running(Remote),
}

impl Route<'_> {
    /// The present peers.
    async fn peers(&mut self) -> Result<Vec<Member>, Failure> {
        Ok(match self {
            Self::Own(node) => node.peers().iter().map(Member::from).collect(),
            Self::Running(remote) => {
                let peers = running::known(remote).await?;
                peers.iter().map(Member::from).collect()
            }
        })
    }

    /// Sends one PING to each peer. Returns each round trip in milliseconds, or the
    /// reason why there is none.
    async fn round(
        &mut self,
        targets: Vec<Member>,
        timeout: Duration,
    ) -> Vec<(Member, Result<f64, String>)> {
        let command = |member: &Member| {
            Command::Ping(Ping {
                peer: member.uuid.to_string(),
                timeout,
            })
        };
        let time = |answer| match answer {
            Answer::Pong { ms, .. } => Ok(ms),
            Answer::Error { message, .. } => Err(message),
            _ => Err("no answer to a ping".to_owned()),
        };
        let mut answers = Vec::new();
        match self {
            Self::Own(node) => {
                let mut pings = JoinSet::new();
                for member in targets {
                    let (node, command) = (Node::clone(node), command(&member));
                    pings.spawn(async move {
                        let answer = carry_out(&node, command).await;
                        (member, answer)
                    });
                }
                while let Some(Ok((member, answer))) = pings.join_next().await {
                    answers.push((member, time(answer)));
                }
            }
            Self::Running(remote) => {
                for member in targets {
                    let answer = remote.ask(&command(&member)).await;
                    let answer = answer.map_err(|error| error.to_string());
                    answers.push((member, answer.and_then(time)));
                }
            }
        }
        answers
    }
}

/// Pings one peer, or all present peers, until enough PINGs were sent.
///
/// # Errors
/// There is no peer at the start.
async fn run(
    command: &PingCommand,
    only: Option<Member>,
    mut route: Route<'_>,
    tallies: &RefCell<BTreeMap<Uuid, Tally>>,
    output: &Output,
) -> Result<(), Failure> {
    let mut beat = tokio::time::interval_at(Instant::now(), command.every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = 0;
    while round < command.count.unwrap_or(u64::MAX) {
        beat.tick().await;
        round += 1;
        let targets = match &only {
            Some(peer) => vec![peer.clone()],
            None => route.peers().await?,
        };
        if targets.is_empty() && round == 1 {
            return Err(match route {
                Route::Own(_) => Failure::Nobody(command.visit.wait),
                Route::Running(_) => Failure::Alone,
            });
        }
        let mut lines = Vec::new();
        for (member, answer) in route.round(targets, command.timeout).await {
            let mut tallies = tallies.borrow_mut();
            let tally = tallies.entry(member.uuid);
            let tally = tally.or_insert_with(|| Tally::new(member.clone()));
            tally.sent += 1;
            if let Ok(ms) = answer {
                tally.times.add(ms);
            }
            tell(&member, tally.sent, &answer, command.visit.json, &mut lines);
        }
        if !output.write(lines).await {
            return Ok(());
        }
    }
    Ok(())
}

fn tell(
    member: &Member,
    number: u64,
    answer: &Result<f64, String>,
    as_json: bool,
    lines: &mut Vec<u8>,
) {
    let name = &member.name;
    if as_json {
        return match answer {
            &Ok(ms) => {
                let (peer, number) = (member.clone(), Some(number));
                json::line(&Answer::Pong { peer, number, ms }, lines);
            }
            Err(why) => json::line(
                &Line::Lost {
                    peer: member,
                    number,
                    why,
                },
                lines,
            ),
        };
    }
    let line = match answer {
        Ok(ms) => format!("{}: number {number}, {ms:.3} ms\n", shown(name)),
        Err(why) => format!("{}: number {number} is lost: {}\n", shown(name), shown(why)),
    };
    lines.extend_from_slice(line.as_bytes());
}
