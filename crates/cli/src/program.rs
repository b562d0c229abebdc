//! The common part of subcommands: run a node, read and write lines, and leave
//! properly.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use zre::json::{self, Tagged};
use zre::{Builder, Event, Events, Node};

use crate::commands::Awaited;
use crate::control::Server;
use crate::editor::{self, Complete};
use crate::failure::Failure;
use crate::input::{self, Line, Lines};
use crate::output::Output;
use crate::signals::Signals;

/// Events that are available are written together, up to about this many bytes at
/// a time.
const BATCH: usize = 64 * 1024;

/// How long messages may wait for room in a queue after the end of input if none of
/// them progresses, because their peers don't read.
const STUCK: Duration = Duration::from_secs(1);

/// How long the program waits, after a signal, for a slow reader of its output. Then it
/// ends anyway. One that reads nothing is given up sooner.
const UNREAD: Duration = Duration::from_secs(5);

/// The input and output of a subcommand. Each method appends whole lines.
pub(crate) trait Face: Send + Sync + 'static {
    /// The node has started.
    fn started(&self, node: &Node, lines: &mut Vec<u8>);
    /// Something happened.
    fn event(&self, event: &Event, lines: &mut Vec<u8>);
    /// A line of input can't be read.
    fn unreadable(&self, why: &str, lines: &mut Vec<u8>);
    /// Completes the text that the user types in a line editor.
    fn completer(&self, _node: &Node) -> Complete {
        Box::new(|line| (line.len(), Vec::new()))
    }
    /// Prepares for the first line of input.
    async fn prepare(&self, _node: &Node) {}
    /// Carries out a line of input; `Break` ends the program.
    async fn line(
        &self,
        node: &Node,
        line: &str,
        awaited: &mut Awaited,
        lines: &mut Vec<u8>,
    ) -> ControlFlow<()>;
    /// The answer to an earlier line of input has arrived.
    fn answer(&self, _answer: Tagged<json::Line>, _lines: &mut Vec<u8>) {}
    /// The node has left.
    fn stopped(&self, lines: &mut Vec<u8>);
}

/// How standard input is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// It isn't read.
    Nothing,
    /// Lines, unchanged.
    Lines,
    /// Lines that the user edits after this prompt, if there is a terminal.
    Edited(&'static str),
}

/// Runs a node until its input ends or requests it, a signal comes, or the reader of
/// its output has gone. With `control`, it also accepts commands through a socket.
pub(crate) async fn run<F: Face>(
    builder: Builder,
    face: Arc<F>,
    reads: Reads,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::catch().map_err(Failure::System)?;
    let (node, events) = tokio::select! {
        started = builder.start() => started?,
        () = signals.recv() => return Ok(ExitCode::SUCCESS),
    };
    let server = match control {
        None => None,
        Some(path) => match Server::open(path, &node).await {
            Ok(server) => Some(Arc::new(server)),
            Err(error) => {
                node.shutdown().await;
                return Err(error.into());
            }
        },
    };
    let mut terminal = None;
    let (output, written, input) = match reads {
        Reads::Edited(prompt) if editor::is_wanted() => {
            let editor = editor::open(prompt, face.completer(&node)).map_err(Failure::System)?;
            terminal = Some(editor.terminal);
            (editor.output, editor.written, Some(editor.lines))
        }
        Reads::Nothing => {
            let (output, written) = Output::open();
            (output, written, None)
        }
        Reads::Lines | Reads::Edited(_) => {
            let (output, written) = Output::open();
            let input = input::lines().map_err(Failure::System)?;
            (output, written, Some(input))
        }
    };
    let mut lines = Vec::new();
    face.started(&node, &mut lines);
    output.write(lines).await;
    let mut writing = tokio::spawn(write_events(
        events,
        face.clone(),
        output.clone(),
        server.clone(),
    ));

    let end = tokio::select! {
        () = listen(&node, &*face, input, &output) => End::Asked,
        () = asked_to_stop(server.as_deref()) => End::Asked,
        () = signals.recv() => End::Signal,
        end = &mut writing => End::Output(end.unwrap_or(OutputEnd::NodeStopped)),
    };

    let mut is_stuck = false;
    {
        let (leaving, stuck) = (node.shutdown(), output.stuck());
        tokio::pin!(leaving, stuck);
        loop {
            tokio::select! {
                () = &mut leaving => break,
                () = signals.recv() => return Err(Failure::Hurried),
                () = &mut stuck, if end == End::Signal && !is_stuck => {
                    is_stuck = true;
                    // Unread events would hold peers back while the node leaves.
                    writing.abort();
                }
            }
        }
    }
    let stuck = output.stuck();
    let ending = async {
        if let Some(server) = server {
            server.close().await;
        }
        if is_stuck {
            return Err(Failure::Unread);
        }
        match end {
            End::Output(OutputEnd::NodeStopped) => return Err(Failure::Died),
            End::Output(OutputEnd::ReaderGone) => {}
            // The task ends with the events, which end with the node.
            End::Asked | End::Signal => drop(writing.await),
        }
        let mut lines = Vec::new();
        face.stopped(&mut lines);
        output.write(lines).await;
        drop(output);
        match written.await {
            Ok(Err(error)) => Err(Failure::Output(error)),
            _ => Ok(ExitCode::SUCCESS),
        }
    };
    tokio::select! {
        result = ending => result,
        () = signals.recv() => Err(Failure::Hurried),
        () = stuck, if end == End::Signal => Err(Failure::Unread),
        () = tokio::time::sleep(UNREAD), if end == End::Signal || terminal.is_some() => {
            Err(Failure::Unread)
        }
    }
}

/// Why a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its input ended, or a command requested it.
    Asked,
    /// A signal requested it.
    Signal,
    /// No more events can be written.
    Output(OutputEnd),
}

/// Why no more events can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputEnd {
    /// The node has stopped.
    NodeStopped,
    /// The reader of the output has gone.
    ReaderGone,
}

async fn asked_to_stop(server: Option<&Server>) {
    match server {
        Some(server) => server.asked_to_stop().await,
        None => std::future::pending().await,
    }
}

/// Writes the events.
async fn write_events<F: Face>(
    mut events: Events,
    face: Arc<F>,
    output: Output,
    server: Option<Arc<Server>>,
) -> OutputEnd {
    let happened = |event: &Event, lines: &mut Vec<u8>| {
        face.event(event, lines);
        if let Some(server) = &server {
            server.publish(event);
        }
    };
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = output.closed() => return OutputEnd::ReaderGone,
        };
        let Some(event) = event else {
            return OutputEnd::NodeStopped;
        };
        let mut lines = Vec::new();
        happened(&event, &mut lines);
        while lines.len() < BATCH {
            let Some(event) = events.try_recv() else {
                break;
            };
            happened(&event, &mut lines);
        }
        if !output.write(lines).await {
            return OutputEnd::ReaderGone;
        }
    }
}

/// Carries out the lines of input one after the other, until one of them requests
/// the end, or the input has ended and all answers have arrived.
async fn listen<F: Face>(node: &Node, face: &F, input: Option<Lines>, output: &Output) {
    let Some(mut input) = input else {
        return std::future::pending().await;
    };
    face.prepare(node).await;
    let mut awaited = Awaited::default();
    let mut ended = false;
    while !ended || !awaited.is_empty() {
        let mut lines = Vec::new();
        let mut flow = ControlFlow::Continue(());
        tokio::select! {
            line = input.recv(), if !ended && !awaited.is_full() => match line {
                Some(Line::Text(text)) => {
                    flow = face.line(node, &text, &mut awaited, &mut lines).await;
                }
                Some(Line::Unreadable(why)) => face.unreadable(why, &mut lines),
                None => ended = true,
            },
            answer = awaited.next() => face.answer(answer, &mut lines),
            () = tokio::time::sleep(STUCK), if ended && awaited.are_messages() => {
                awaited.give_up();
            }
        }
        if flow.is_break() {
            for answer in awaited.refuse_messages().await {
                face.answer(answer, &mut lines);
            }
        }
        if !output.write(lines).await || flow.is_break() {
            return;
        }
    }
}
