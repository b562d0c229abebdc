//! A chat: each line goes to all members of the group, on every host of the
//! network.
//!
//!     cargo run --release --example chat -- alice
//!     cargo run --release --example chat -- bob
//!
//! With `ZRE_INTERFACE=lo` it stays on this host. The end of input (Ctrl-D) or
//! Ctrl-C leaves.
#![allow(clippy::print_stdout, reason = "the chat is printed there")]

use std::error::Error;

use tokio::sync::mpsc;
use zre::{Event, Node};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = Node::builder().group("chat");
    if let Some(name) = std::env::args().nth(1) {
        builder = builder.name(name);
    }
    let (node, mut events) = builder.start().await?;
    println!("* you are {}", node.name());

    let mut lines = lines();
    loop {
        tokio::select! {
            Some(event) = events.recv() => match event {
                Event::Join { peer, .. } => println!("* {peer} is here"),
                Event::Exit { peer, .. } => println!("* {peer} has gone"),
                Event::Shout { peer, message, .. } => {
                    println!("{peer}: {}", message.to_str().unwrap_or("(no text)"));
                }
                _ => {}
            },
            line = lines.recv() => match line {
                Some(line) => {
                    match node.shout("chat", line).await {
                        Ok(shouted) => for peer in shouted.full {
                            println!("* {peer} doesn't keep up, and didn't get it");
                        },
                        Err(error) => println!("* not sent: {error}"),
                    }
                }
                None => break,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    node.shutdown().await;
    Ok(())
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
