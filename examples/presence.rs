//! A status board: the people in the office, and their states.
//!
//!     cargo run --release --example presence -- alice
//!     cargo run --release --example presence -- bob
//!
//! Each line that you type is your new state: `ready`, `busy`, `asleep`, or
//! `lunch`, which this program defines for itself. With `ZRE_INTERFACE=lo` it
//! stays on this host. The end of input (Ctrl-D) or Ctrl-C leaves.
#![allow(clippy::print_stdout, reason = "the board is drawn there")]

use std::error::Error;

use tokio::sync::mpsc;
use zre::{Event, Node, State};

const OFFICE: &str = "office";

/// Applications define the states from 128 up.
const LUNCH: State = State::Other(State::APPLICATION);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = Node::builder().group(OFFICE);
    if let Some(name) = std::env::args().nth(1) {
        builder = builder.name(name);
    }
    let (node, mut events) = builder.start().await?;
    let mut own = State::Ready;
    let mut lines = lines();
    draw(&node, own);
    loop {
        tokio::select! {
            Some(event) = events.recv() => match event {
                // The node has the list; these events say when it has changed.
                Event::Join { .. }
                | Event::Leave { .. }
                | Event::State { .. }
                | Event::Exit { .. } => draw(&node, own),
                Event::Evasive { peer } => println!("({peer} doesn't answer)"),
                Event::Responsive { peer } => println!("({peer} answers again)"),
                _ => {}
            },
            line = lines.recv() => {
                let Some(line) = line else { break };
                match parse(line.trim()) {
                    Some(state) => {
                        node.set_state(state).await?;
                        own = state;
                        draw(&node, own);
                    }
                    None => println!("(say ready, busy, asleep or lunch)"),
                }
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    node.shutdown().await;
    Ok(())
}

fn draw(node: &Node, own: State) {
    let mut board = vec![format!("{} (you): {}", node.name(), text(own))];
    for peer in node.peers_in(OFFICE) {
        board.push(format!("{peer}: {}", text(peer.state())));
    }
    println!("{}", board.join(" | "));
}

fn parse(text: &str) -> Option<State> {
    match text {
        "lunch" => Some(LUNCH),
        text => text
            .parse()
            .ok()
            .filter(|state: &State| state.is_settable()),
    }
}

fn text(state: State) -> String {
    if state == LUNCH {
        "at lunch".into()
    } else {
        state.to_string()
    }
}

/// The lines of standard input. A thread reads them: nothing can interrupt a read,
/// and tokio would wait for it at the end of `main`.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
