//! `zre node`: a node for scripts (`--json`) or to look at.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use zre::{Builder, Event, Node, SendError};

use crate::carry::carry_out;
use crate::json::Command;
use crate::options::Options;
use crate::program::{Face, Failure, Reads, run};
use crate::report::{Own, Report};
use crate::text::{self, shown};

/// Run a node: in view of people, or for a script.
///
/// Without --json it prints what happens on the network, and runs until Ctrl-C.
///
/// With --json it reads commands from standard input and writes events to
/// standard output, one JSON object a line. The end of input stops it.
///
/// With --control it listens at a unix socket, to which only this user has
/// access, for the same commands: `zre --control PATH whisper`, `peers`, `state`
/// and so on speak through it, many at once.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct NodeCommand {
    /// Speak JSON lines
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) options: Options,
}

const HELP: &str = r#"Commands, with --json:
  {"cmd":"join","group":"G"}
  {"cmd":"leave","group":"G"}
  {"cmd":"whisper","peer":"<uuid or name>","frames":["one","two"]}
  {"cmd":"shout","group":"G","frames":["hello",{"base64":"/wD+"}]}
  {"cmd":"state","state":"busy"}
  {"cmd":"peers"}
  {"cmd":"groups"}
  {"cmd":"node"}
  {"cmd":"stop"}

  They are carried out in order. One that can't be gets
  {"event":"error","message":".."}, and the node goes on.

  Through the socket of --control, with or without --json, each command gets
  exactly one line: what it asks for, {"event":"done"}, or an error. For a
  message, "peers" in it are those whose queues took it, "full" those whose had
  no room. After {"cmd":"watch"}, the events come as well.

Events, with --json:
  started (uuid, name, endpoint, groups), stopped
  enter (peer, name, headers, endpoint, link, state, groups, via); each group
  is told by join as well
  exit (peer, name, reason, unconfirmed)
  join, leave (peer, name, group)
  whisper (peer, name, frames), shout (peer, name, group, frames)
  state (peer, name, from, to)
  evasive, silent, responsive (peer, name), backpressure (peer, name, on)
  conflict (uuid), discovery (up, interface, address, reason)
  peers (peers: peer, name, headers, endpoint, link, state, groups, via)
  groups (groups: group, peers: peer, name)
  node (uuid, name, endpoint, groups)
  error (message)

  UUIDs are 32 lower-case hex digits. A frame is a string, or {"base64":".."}
  where it isn't UTF-8. A link is tcp, ipc or inproc.

Example, in two terminals:
  zre node --name camera --group lab --header role=camera
  echo '{"cmd":"peers"}' | zre node --json --name script

Example, one node that several speak through:
  zre node --name camera --control /run/user/1000/camera &
  zre --control /run/user/1000/camera state busy
  zre --control /run/user/1000/camera shout lab the film is full

RUST_LOG or ZRE_LOG (as in ZRE_LOG=zre=debug) logs to standard error."#;

pub(crate) async fn node(
    json: bool,
    builder: Builder,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    if json {
        run(builder, Arc::new(Json), Reads::Lines, control).await
    } else {
        run(builder, Arc::new(Plain), Reads::Nothing, control).await
    }
}

/// JSON lines.
#[derive(Debug)]
struct Json;

impl Face for Json {
    fn started(&self, node: &Node, lines: &mut Vec<u8>) {
        Report::Started(Own::new(node)).write(lines);
    }

    fn event(&self, event: &Event, lines: &mut Vec<u8>) {
        if let Some(report) = Report::of(event) {
            report.write(lines);
        }
    }

    fn unreadable(&self, why: &str, lines: &mut Vec<u8>) {
        Report::error(why).write(lines);
    }

    async fn line(&self, node: &Node, line: &str, lines: &mut Vec<u8>) -> ControlFlow<()> {
        if line.trim().is_empty() {
            return ControlFlow::Continue(());
        }
        let answer = match Command::parse(line) {
            Err(error) => Err(error),
            Ok(Command::Stop {}) => return ControlFlow::Break(()),
            Ok(command) => carry_out(node, command).await,
        };
        match answer {
            // What went well isn't mentioned.
            Ok(Report::Done { full, .. }) => {
                for peer in full {
                    Report::error(format_args!("to {}: {}", peer.name, SendError::Full))
                        .write(lines);
                }
            }
            Ok(answer) => answer.write(lines),
            Err(error) => Report::error(error).write(lines),
        }
        ControlFlow::Continue(())
    }

    fn stopped(&self, lines: &mut Vec<u8>) {
        Report::Stopped {}.write(lines);
    }
}

/// Lines for people, who have nothing to say here.
#[derive(Debug)]
struct Plain;

impl Face for Plain {
    fn started(&self, node: &Node, lines: &mut Vec<u8>) {
        let uuid = node.uuid().simple();
        let _ = writeln!(
            lines,
            "{} is up at {} ({uuid}); Ctrl-C leaves",
            shown(node.name()),
            node.endpoint()
        );
    }

    fn event(&self, event: &Event, lines: &mut Vec<u8>) {
        let line = match event {
            Event::Enter { peer } => {
                let mut line = format!(
                    "{} is here, at {} by {} ({})",
                    shown(peer.name()),
                    shown(&peer.endpoint().to_string()),
                    peer.link(),
                    peer.uuid().simple()
                );
                for (key, value) in peer.headers() {
                    line += &format!("\n    {}: {}", shown(key), shown(value));
                }
                line
            }
            Event::Exit {
                peer,
                reason,
                unconfirmed: 0,
            } => format!("{} has gone: {reason}", shown(peer.name())),
            Event::Exit {
                peer,
                reason,
                unconfirmed,
            } => format!(
                "{} has gone: {reason}; {unconfirmed} messages to it may be lost",
                shown(peer.name())
            ),
            Event::Join { peer, group } => {
                format!("{} joined {}", shown(peer.name()), shown(group))
            }
            Event::Leave { peer, group } => {
                format!("{} left {}", shown(peer.name()), shown(group))
            }
            Event::Whisper { peer, message } => {
                format!(
                    "{} whispers: {}",
                    shown(peer.name()),
                    text::message(message)
                )
            }
            Event::Shout {
                peer,
                group,
                message,
            } => format!(
                "[{}] {}: {}",
                shown(group),
                shown(peer.name()),
                text::message(message)
            ),
            Event::State { peer, from, to } => {
                format!("{} is {to}, was {from}", shown(peer.name()))
            }
            Event::Evasive { peer } => format!("{} doesn't answer", shown(peer.name())),
            Event::Silent { peer } => {
                format!("{} still doesn't answer", shown(peer.name()))
            }
            Event::Responsive { peer } => format!("{} answers again", shown(peer.name())),
            Event::Conflict { uuid } => {
                format!(
                    "two nodes use the UUID {}: give each its own",
                    uuid.simple()
                )
            }
            Event::Discovery {
                up,
                interface,
                reason,
            } => {
                let state = if *up { "in use" } else { "out of use" };
                format!("{interface} is {state}: {reason}")
            }
            _ => return,
        };
        let _ = writeln!(lines, "{line}");
    }

    fn unreadable(&self, _why: &str, _lines: &mut Vec<u8>) {}

    async fn line(&self, _node: &Node, _line: &str, _lines: &mut Vec<u8>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn stopped(&self, _lines: &mut Vec<u8>) {}
}
