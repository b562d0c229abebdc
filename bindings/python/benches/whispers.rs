//! The part of a measurement by `speed.py` that is in Rust: `whispers ROLE SIZE COUNT`, with
//! `zre::blocking`. Says one word and its value a line.
#![allow(clippy::print_stdout, reason = "the measurement reads it")]

use std::error::Error;
use std::time::{Duration, Instant};

use zre::{Event, IpcDir, Node};

const MINUTE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, size, count] = arguments.as_slice() else {
        return Err("whispers ROLE SIZE COUNT".into());
    };
    let (size, count): (usize, u64) = (size.parse()?, count.parse()?);
    let builder = Node::builder().name(role).ipc(IpcDir::Off);
    let (node, mut events) = builder.start_blocking()?;
    if role == "send" {
        let peers = node.wait_for_peers(1, MINUTE)?;
        let peer = peers.first().ok_or("no peer")?;
        let content = vec![b'x'; size];
        for _ in 0..count {
            node.whisper(peer, content.as_slice())?;
        }
        std::thread::sleep(MINUTE);
        return Ok(());
    }
    println!("ready 0");
    let (mut start, mut left) = (None, count);
    for event in &mut events {
        if let Event::Whisper { message, .. } = event {
            let start = start.get_or_insert_with(Instant::now);
            left = left.saturating_sub(1);
            if left == 0 {
                println!("seconds {}", start.elapsed().as_secs_f64());
                if message.len() != size {
                    return Err("a message of another size".into());
                }
                std::thread::sleep(MINUTE);
            }
        }
    }
    Ok(())
}
