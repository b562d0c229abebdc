//! `zre node`: a node for scripts (`--json`) or for people.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use zre::json::{Command, Line, Tagged, parse_command};
use zre::{Event, Node, SendError, Uuid};

use crate::commands::{Awaited, refusal};
use crate::failure::Failure;
use crate::gathering::{CERTAIN, Purpose, gather};
use crate::json;
use crate::options::Options;
use crate::program::{Face, Reads, run};
use crate::sentence::sentence;
use crate::values::time;

/// Run a node and print its events, for people or as JSON.
///
/// Without --json it prints what happens on the network, and runs until Ctrl-C.
///
/// With --json it reads commands from standard input and writes events to
/// standard output, one JSON object a line. The end of input stops it.
///
/// With --control it listens at a unix socket, to which only this user has
/// access, for the same commands: `zre --control PATH whisper`, `peers`, `state`
/// and so on use it, many at once.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct NodeCommand {
    /// Speak JSON lines
    #[arg(long)]
    json: bool,

    /// With --json, look for peers before the first command is carried out: until
    /// nobody new comes, but no longer than this
    #[arg(long, value_name = "TIME", value_parser = time, requires = "json")]
    wait: Option<Duration>,

    #[command(flatten)]
    options: Options,
}

const HELP: &str = r#"Commands, with --json:
  {"cmd":"join","group":"G"}
  {"cmd":"leave","group":"G"}
  {"cmd":"contest","group":"G"}
  {"cmd":"whisper","peer":"<uuid or name>","frames":["one","two"]}
  {"cmd":"shout","group":"G","frames":["hello",{"base64":"/wD+"}]}
  {"cmd":"request","peer":"<uuid or name>","frames":["how?"],"timeout":"2s"}
  {"cmd":"reply","id":1,"frames":["like this"]}
  {"cmd":"state","state":"busy"}
  {"cmd":"set_name","name":"N"}
  {"cmd":"set_header","key":"K","value":"V"}
  {"cmd":"remove_header","key":"K"}
  {"cmd":"peers"}
  {"cmd":"groups"}
  {"cmd":"node"}
  {"cmd":"stats"}
  {"cmd":"ping","peer":"<uuid or name>","timeout":"2s"}
  {"cmd":"wait","peers":1,"group":"G","timeout":"3s"}
  {"cmd":"stop"}

  Commands are carried out in order. None waits for the answers to request and ping,
  nor for a peer that is slow to read what others sent to it before: messages to one
  peer keep their order. With --send-policy reject, a message that a full queue has no
  room for is refused at once. Only wait keeps the commands after it waiting: until
  so many peers are here, or in the group. A command that can't be carried out gets
  {"event":"error","message":..,"code":..}, and the node goes on. A shout that nobody
  gets is mentioned.

  Any command may have a "tag", such as "tag":"t1": then it gets an answer also if
  there is nothing to say but {"event":"done","tag":"t1"}, and the answer has the
  tag.

  Through the socket of --control, with or without --json, each command gets
  exactly one line: the answer to it, {"event":"done"}, or an error. After
  {"cmd":"watch"}, the events come as well.

Events, with --json:
  enter (peer, name, headers, endpoint, link, state, groups, via); a join event
  follows for each group
  exit (peer, name, reason, unconfirmed)
  join, leave (peer, name, group)
  whisper (peer, name, frames), shout (peer, name, group, frames)
  request (peer, name, id, frames): a peer waits for {"cmd":"reply","id":..}
  state (peer, name, from, to)
  leader (group, uuid, and name if it is a peer)
  undecided (group, missing: peer, name)
  evasive, silent, responsive (peer, name), backpressure (peer, name, on)
  conflict (uuid), discovery (up, interface, address, reason)

Answers, with --json:
  started (uuid, name, endpoint, groups), stopped
  whispered, shouted (messages, accepted, peers: peer, name; full: peer, name):
  the peers whose queues took the message, and those whose had no room
  reply (peer, name, frames)
  peers (peers: as in enter, and silence: seconds since it was heard, unless the
  link is inproc)
  groups (groups: group, peers: peer, name)
  node (uuid, name, endpoint, groups), stats, pong (peer, name, ms)
  done, error (message, code)

  UUIDs are 32 lower-case hex digits. A frame is a string, or {"base64":".."} if it
  isn't UTF-8. A link is tcp, ipc or inproc. Later versions may add events and
  fields: ignore those that you don't know.

Example, in two terminals:
  zre node --name camera --group lab --header role=camera
  echo '{"cmd":"peers"}' | zre node --json --name script --wait 3s

Example, one node that several programs command:
  zre node --name camera --control /run/user/1000/camera &
  zre --control /run/user/1000/camera state busy
  zre --control /run/user/1000/camera shout lab the film is full

Warnings go to standard error; ZRE_LOG or RUST_LOG selects more (ZRE_LOG=zre=debug)."#;

pub(crate) async fn node(
    command: NodeCommand,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let builder = command.options.builder();
    if command.json {
        let face = Json::new(command.wait);
        run(builder, Arc::new(face), Reads::Lines, control).await
    } else {
        run(builder, Arc::new(Plain), Reads::Nothing, control).await
    }
}

/// JSON lines.
#[derive(Debug)]
pub(crate) struct Json {
    /// How long to look for peers before the first command.
    wait: Option<Duration>,
    begun: Instant,
}

impl Json {
    pub(crate) fn new(wait: Option<Duration>) -> Self {
        let begun = Instant::now();
        Self { wait, begun }
    }
}

impl Face for Json {
    fn started(&self, node: &Node, lines: &mut Vec<u8>) {
        json::line(&Line::Started(node.into()), lines);
    }

    fn event(&self, event: &Event, lines: &mut Vec<u8>) {
        if let Event::Request { responder, .. } = event {
            responder.keep();
        }
        json::line(event, lines);
    }

    fn unreadable(&self, why: &str, lines: &mut Vec<u8>) {
        json::line(&refusal("command", why), lines);
    }

    async fn prepare(&self, node: &Node) {
        if let Some(wait) = self.wait {
            gather(node, self.begun, wait, Purpose::Act).await;
        }
    }

    async fn line(
        &self,
        node: &Node,
        line: &str,
        awaited: &mut Awaited,
        lines: &mut Vec<u8>,
    ) -> ControlFlow<()> {
        if line.trim().is_empty() {
            return ControlFlow::Continue(());
        }
        let command = match parse_command(line) {
            Ok(command) => command,
            Err(answer) => {
                self.answer(*answer, lines);
                return ControlFlow::Continue(());
            }
        };
        if is_by_name(&command.content) {
            // Another peer of that name may be about to come.
            gather(node, self.begun, CERTAIN, Purpose::Act).await;
        }
        let stops = command.content == Command::Stop {};
        if let Some(answer) = awaited.carry_out(node, command).await {
            self.answer(answer, lines);
        }
        if stops {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Success is mentioned only if the command has a tag.
    fn answer(&self, answer: Tagged<Line>, lines: &mut Vec<u8>) {
        match &answer.content {
            Line::Done | Line::Whispered(_) if answer.tag.is_none() => {}
            Line::Shouted(sent) if answer.tag.is_none() && sent.accepted > 0 => {
                for peer in &sent.full {
                    let message = format!("to {}: {}", peer.name, SendError::Full);
                    json::line(&refusal(SendError::Full.code(), message), lines);
                }
            }
            _ => json::line(&answer, lines),
        }
    }

    fn stopped(&self, lines: &mut Vec<u8>) {
        json::line(&Line::Stopped, lines);
    }
}

/// Whether it names a peer by a name that others may have, too.
fn is_by_name(command: &Command) -> bool {
    match command {
        Command::Whisper { peer, .. } | Command::Request { peer, .. } => {
            Uuid::try_parse(peer).is_err()
        }
        Command::Ping(ping) => Uuid::try_parse(&ping.peer).is_err(),
        _ => false,
    }
}

/// Lines for people, who can't enter commands here.
#[derive(Debug)]
struct Plain;

impl Face for Plain {
    fn started(&self, node: &Node, lines: &mut Vec<u8>) {
        tell(&Line::Started(node.into()), lines);
    }

    fn event(&self, event: &Event, lines: &mut Vec<u8>) {
        tell(&Line::Event(event.into()), lines);
    }

    fn unreadable(&self, _why: &str, _lines: &mut Vec<u8>) {}

    async fn line(
        &self,
        _node: &Node,
        _line: &str,
        _awaited: &mut Awaited,
        _lines: &mut Vec<u8>,
    ) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn stopped(&self, _lines: &mut Vec<u8>) {}
}

/// Appends what a person reads of it.
pub(crate) fn tell(line: &Line, lines: &mut Vec<u8>) {
    if let Some(text) = sentence(line) {
        // Writing to memory doesn't fail.
        let _ = writeln!(lines, "{text}");
    }
}
