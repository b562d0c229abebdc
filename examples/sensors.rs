//! Any number of sensors, and a dashboard that shows their readings.
//!
//!     cargo run --release --example sensors                # the dashboard
//!     cargo run --release --example sensors -- kitchen
//!     cargo run --release --example sensors -- attic
//!
//! They come and go in any order, on any host of the network. With
//! `ZRE_INTERFACE=lo` they stay on this one. Ctrl-C leaves.
#![allow(clippy::print_stdout, reason = "the dashboard is drawn there")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use tokio::time::{Instant, interval};
use zre::{Event, Node};

/// The group of the dashboards. Sensors shout to it without joining it, so that
/// they don't receive each other's readings.
const READINGS: &str = "readings";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(name) => measure(name).await,
        None => show().await,
    }
}

/// Shouts the temperature each second.
async fn measure(name: String) -> Result<(), Box<dyn Error>> {
    // A fact that doesn't change is a header: every peer gets it once.
    let builder = Node::builder().name(name).header("unit", "°C");
    let (node, events) = builder.start().await?;
    // A sensor needs no events.
    drop(events);
    let start = Instant::now();
    let mut clock = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = clock.tick() => {
                let reading = format!("{:.1}", temperature(start.elapsed()));
                // A late reading is worthless: a dashboard that doesn't keep up
                // misses this one.
                match node.try_shout(READINGS, reading) {
                    Ok(shouted) => for dashboard in shouted.full {
                        println!("{dashboard} doesn't keep up");
                    },
                    Err(error) => println!("not sent: {error}"),
                }
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    node.shutdown().await;
    Ok(())
}

/// A thermometer would be read here.
fn temperature(time: Duration) -> f64 {
    20.0 + 5.0 * (time.as_secs_f64() / 10.0).sin()
}

/// Draws a line with the last reading of each sensor whenever one changes.
async fn show() -> Result<(), Box<dyn Error>> {
    let builder = Node::builder().name("dashboard").group(READINGS);
    let (node, mut events) = builder.start().await?;
    let mut board = BTreeMap::new();
    loop {
        let event = tokio::select! {
            Some(event) = events.recv() => event,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            Event::Shout { peer, message, .. } => {
                let reading = message.to_str().unwrap_or("?");
                let unit = peer.header("unit").unwrap_or_default();
                board.insert(peer.uuid(), format!("{peer} {reading} {unit}"));
            }
            Event::Evasive { peer } | Event::Silent { peer } => {
                board.insert(peer.uuid(), format!("{peer} ?"));
            }
            Event::Exit { peer, .. } if board.remove(&peer.uuid()).is_some() => {}
            _ => continue,
        }
        let cells: Vec<_> = board.values().map(String::as_str).collect();
        println!("{}", cells.join(" | "));
    }
    node.shutdown().await;
    Ok(())
}
