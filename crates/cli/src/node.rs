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
use crate::sentence::sentence;

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
  {"cmd":"contest","group":"G"}
  {"cmd":"whisper","peer":"<uuid or name>","frames":["one","two"]}
  {"cmd":"shout","group":"G","frames":["hello",{"base64":"/wD+"}]}
  {"cmd":"state","state":"busy"}
  {"cmd":"peers"}
  {"cmd":"groups"}
  {"cmd":"node"}
  {"cmd":"ping","peer":"<uuid or name>","timeout_ms":2000}
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
  leader (group, uuid, name where it is a peer)
  undecided (group, missing: peer, name)
  evasive, silent, responsive (peer, name), backpressure (peer, name, on)
  conflict (uuid), discovery (up, interface, address, reason)
  peers (peers: peer, name, headers, endpoint, link, state, groups, via,
  and silence: seconds since it was heard, where the link isn't inproc)
  groups (groups: group, peers: peer, name)
  node (uuid, name, endpoint, groups), pong (peer, name, ms)
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
        tell(&Report::Started(Own::new(node)), lines);
    }

    fn event(&self, event: &Event, lines: &mut Vec<u8>) {
        if let Some(report) = Report::of(event) {
            tell(&report, lines);
        }
    }

    fn unreadable(&self, _why: &str, _lines: &mut Vec<u8>) {}

    async fn line(&self, _node: &Node, _line: &str, _lines: &mut Vec<u8>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn stopped(&self, _lines: &mut Vec<u8>) {}
}

/// Appends what a person reads of it.
pub(crate) fn tell(report: &Report, lines: &mut Vec<u8>) {
    if let Some(line) = sentence(report) {
        // Writing to memory doesn't fail.
        let _ = writeln!(lines, "{line}");
    }
}
