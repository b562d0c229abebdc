//! `zre watch`: shows events on the network as they happen.

mod board;
mod draw;
mod entry;
mod keys;
mod screen;
mod station;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use zre::json::{Command, Line, Node};

use self::station::{Feed, Station};
use crate::failure::Failure;
use crate::json;
use crate::node::tell;
use crate::options::Options;
use crate::output::Output;
use crate::signals::Signals;

use self::board::Board;
use self::keys::Wish;
use self::screen::{Input, Screen};

/// How often the table is refreshed. Events are shown at once.
const REFRESH: Duration = Duration::from_secs(1);

/// The shortest time between two drawings of the screen.
const FRAME: Duration = Duration::from_millis(30);

/// How many events are handled at most before the screen is drawn.
const BATCH: usize = 256;

/// Watch peers come, talk and go.
///
/// On a terminal it fills the screen: a table of the peers, and below it the events,
/// with keys to filter, to whisper and to shout. Otherwise it writes a line for each
/// event.
///
/// The command joins the network as a peer of its own. It gets the messages to itself
/// and to the groups that it is in (--group, or the key g). With --control, it shows
/// what a running node sees instead.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct WatchCommand {
    /// Write JSON lines: those that `zre node --json` writes
    #[arg(long)]
    json: bool,

    /// Write a line for each event even on a terminal
    #[arg(long)]
    lines: bool,

    #[command(flatten)]
    options: Options,
}

const HELP: &str = "\
Keys:
  up, down, j, k  choose a peer (also Home, End, Page Up, Page Down)
  w               whisper to the peer that is chosen
  s               shout, as GROUP TEXT
  g, G            join a group, leave one
  /               show only what holds a text (name, UUID, group, state, address)
  Esc             no filter; or leave what is being typed
  q, Ctrl-C       leave

In the table: silence is the time since a peer was last heard (a healthy one is
heard every few seconds), in and out count the messages between it and this node,
via is the source that found it.

Examples:
  zre watch
  zre watch --group lab --group builds
  zre watch --json | jq -r 'select(.event == \"enter\").name'
  zre --control /tmp/node watch";

pub(crate) async fn watch(
    command: WatchCommand,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::catch().map_err(Failure::System)?;
    let opened = tokio::select! {
        opened = Station::open(command.options.builder(), control) => opened?,
        () = signals.recv() => return Ok(ExitCode::SUCCESS),
    };
    let (mut station, mut feed) = opened;
    let own = station.own().await.map_err(Failure::Usage)?;
    let full = !command.json && !command.lines && screen::is_wanted();
    let result = match full {
        true => show(&mut station, &mut feed, own, &mut signals).await,
        false => write(&mut feed, &own, command.json, &mut signals).await,
    };
    if station.is_own() {
        // Unread events would hold peers back while the node leaves.
        drop(feed);
        tokio::select! {
            () = station.leave() => {}
            () = signals.recv() => return Err(Failure::Hurried),
        }
    }
    result.map(|()| ExitCode::SUCCESS)
}

/// Writes a line for each event, until a signal, the node's end, or a closed pipe.
async fn write(
    feed: &mut Feed,
    own: &Node,
    as_json: bool,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let (output, written) = Output::open();
    let mut signalled = false;
    let mut lines = Vec::new();
    let say = |line: &Line, lines: &mut Vec<u8>| match as_json {
        true => json::line(line, lines),
        false => tell(line, lines),
    };
    say(&Line::Started(own.clone()), &mut lines);
    loop {
        let open = tokio::select! {
            open = output.write(std::mem::take(&mut lines)) => open,
            () = signals.recv() => {
                signalled = true;
                break;
            }
        };
        if !open {
            break;
        }
        let line = tokio::select! {
            line = feed.next() => line?,
            () = signals.recv() => {
                signalled = true;
                break;
            }
            () = output.closed() => break,
        };
        match line {
            Some(line) => say(&line, &mut lines),
            None => break,
        }
    }
    let stuck = output.stuck();
    drop(output);
    tokio::select! {
        result = written => match result {
            Ok(Err(error)) => Err(Failure::Output(error)),
            _ => Ok(()),
        },
        () = stuck, if signalled => Err(Failure::Unread),
        () = signals.recv() => Err(Failure::Unread),
    }
}

/// Shows the full screen until the user leaves it.
async fn show(
    station: &mut Station,
    feed: &mut Feed,
    own: Node,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let mut board = Board::new(own);
    let (mut screen, mut input) = Screen::open().map_err(Failure::System)?;
    let mut refresh = tokio::time::interval(REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut drawn = Instant::now();
    let mut stale = true;
    loop {
        if screen::has_panicked() {
            return Err(Failure::Died);
        }
        tokio::select! {
            () = tokio::time::sleep_until(drawn + FRAME), if stale => {
                screen.draw(&mut board).map_err(Failure::Output)?;
                drawn = Instant::now();
                stale = false;
                continue;
            }
            line = feed.next() => {
                let Some(line) = line? else {
                    return Err(Failure::Ended);
                };
                board.happened(&line, Instant::now());
                gather(feed, &mut board).await?;
            }
            key = input.recv() => {
                let Some(key) = key else { return Ok(()) };
                if press(key, &mut board, station, &mut input).await {
                    return Ok(());
                }
            }
            _ = refresh.tick() => fill(&mut board, station).await?,
            () = signals.recv() => return Ok(()),
        }
        stale = true;
    }
}

/// Handles the events that are waiting.
async fn gather(feed: &mut Feed, board: &mut Board) -> Result<(), Failure> {
    for _ in 0..BATCH {
        let ready = tokio::time::timeout(Duration::ZERO, feed.next()).await;
        match ready {
            Err(_) => return Ok(()),
            Ok(line) => match line? {
                Some(line) => board.happened(&line, Instant::now()),
                None => return Err(Failure::Ended),
            },
        }
    }
    Ok(())
}

async fn fill(board: &mut Board, station: &mut Station) -> Result<(), Failure> {
    let peers = station.ask(Command::Peers {}).await;
    let own = station.own().await;
    match (peers, own) {
        (Ok(Line::Peers { peers }), Ok(own)) => {
            board.fill(peers, own, Instant::now());
            Ok(())
        }
        _ => Err(Failure::Ended),
    }
}

/// Handles a key and those that follow at once. True if the user wants to leave.
async fn press(
    first: Input,
    board: &mut Board,
    station: &mut Station,
    input: &mut mpsc::Receiver<Input>,
) -> bool {
    let mut next = Some(first);
    while let Some(key) = next {
        match board.press(key) {
            Wish::Nothing => {}
            Wish::Quit => return true,
            Wish::Say(command) => {
                let answer = station.ask(command.clone()).await;
                board.said(&command, answer);
            }
        }
        next = input.try_recv().ok();
    }
    false
}
