//! Three nodes of one process meet, talk and part, and print their events.
//!
//!     cargo run --example quickstart
//!
//! Nothing leaves this host, and it ends by itself.
#![allow(clippy::print_stdout, reason = "the story is printed there")]

use std::error::Error;
use std::time::Duration;

use zre::{Event, Events, Node, State};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("-- three nodes start, and find each other by beacons");
    let (alice, mut alice_sees) = start("alice").await?;
    let (bob, mut bob_sees) = start("bob").await?;
    let (carol, mut carol_sees) = start("carol").await?;
    for sees in [&mut alice_sees, &mut bob_sees, &mut carol_sees] {
        sees.until(2, |event| matches!(event, Event::Enter { .. }))
            .await?;
    }

    println!("-- a whisper goes to one peer");
    alice.whisper("bob", "lunch at noon?").await?;
    bob_sees
        .until(1, |event| matches!(event, Event::Whisper { .. }))
        .await?;

    println!("-- a shout goes to all members of a group");
    bob.join("lunch").await?;
    carol.join("lunch").await?;
    alice_sees
        .until(2, |event| matches!(event, Event::Join { .. }))
        .await?;
    let shouted = alice.shout("lunch", ["noon", "at the corner"]).await?;
    println!("alice: {} peers will hear it", shouted.accepted);
    for sees in [&mut bob_sees, &mut carol_sees] {
        sees.until(1, |event| matches!(event, Event::Shout { .. }))
            .await?;
    }

    println!("-- a node shows its state");
    carol.set_state(State::Busy).await?;
    alice_sees
        .until(1, |event| matches!(event, Event::State { .. }))
        .await?;
    for peer in alice.available("lunch") {
        println!("alice: ready for lunch is {peer}");
    }

    println!("-- a departure is seen at once");
    bob.shutdown().await;
    for sees in [&mut alice_sees, &mut carol_sees] {
        sees.until(1, |event| matches!(event, Event::Exit { .. }))
            .await?;
    }
    tokio::join!(alice.shutdown(), carol.shutdown());
    println!("-- the end");
    Ok(())
}

/// A node on this host only, apart from those of other programs.
async fn start(name: &'static str) -> Result<(Node, Sees), Box<dyn Error>> {
    let builder = Node::builder()
        .name(name)
        .loopback()
        .beacon_port(own_port());
    let (node, events) = builder.start().await?;
    Ok((node, Sees { name, events }))
}

/// A port for beacons that no other run of this program uses at the same time.
fn own_port() -> u16 {
    20_000 + (std::process::id() % 10_000) as u16
}

/// The events of one of them.
struct Sees {
    name: &'static str,
    events: Events,
}

impl Sees {
    /// Prints every event, until `count` of the awaited ones have come.
    async fn until(
        &mut self,
        count: usize,
        awaited: impl Fn(&Event) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        let mut seen = 0;
        while seen < count {
            let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv())
                .await?
                .ok_or("the node has stopped")?;
            self.tell(&event);
            seen += usize::from(awaited(&event));
        }
        Ok(())
    }

    fn tell(&self, event: &Event) {
        let name = self.name;
        match event {
            Event::Enter { peer } => println!("{name}: {peer} is here, by {}", peer.link()),
            Event::Exit { peer, reason, .. } => println!("{name}: {peer} has gone: {reason}"),
            Event::Join { peer, group } => println!("{name}: {peer} is in {group}"),
            Event::Leave { peer, group } => println!("{name}: {peer} left {group}"),
            Event::Whisper { peer, message } => println!("{name}: {peer} whispers {message:?}"),
            Event::Shout {
                peer,
                group,
                message,
            } => println!("{name}: {peer} shouts to {group} {message:?}"),
            Event::State { peer, from, to } => println!("{name}: {peer} is {to}, was {from}"),
            other => println!("{name}: {other:?}"),
        }
    }
}
