//! A file, sent by whispers and checked at the other end.
//!
//!     cargo run --release --example files -- receive bob ./inbox
//!     cargo run --release --example files -- send bob picture.jpg
//!
//! With `ZRE_INTERFACE=lo` it stays on this host. The receiver stays until
//! Ctrl-C.
#![allow(clippy::print_stdout, reason = "it says what it does")]

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::fs::{File, create_dir_all, remove_file, rename};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use zre::{Event, Events, Message, Node, Peer, Uuid};

/// Small beside the queue to a peer, so that the queue is what limits us.
const CHUNK: usize = 64 << 10;
/// With how much a stranger may fill the disk.
const LARGEST: u64 = 1 << 30;
/// For how long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["receive", name, directory] => receive(name, Path::new(directory)).await,
        ["send", to, file] => send(to, Path::new(file)).await,
        _ => Err("say `receive NAME DIRECTORY` or `send NAME FILE`".into()),
    }
}

/// Offers the file, sends it when told to go on, and waits for the verdict.
async fn send(to: &str, path: &Path) -> Result<()> {
    let mut file = File::open(path).await?;
    let name = path.file_name().ok_or("a file has a name")?;
    let size = file.metadata().await?.len();
    let (node, mut events) = Node::builder().start().await?;
    let peer = timeout(PATIENCE, find(&mut events, to)).await??;

    let name = name.to_string_lossy().into_owned();
    let offer = ["file".into(), name, size.to_string()];
    node.whisper(&peer, offer).await?;
    expect(&mut events, &peer, "go").await?;
    let mut hash = Sha256::new();
    loop {
        let mut chunk = vec![0; CHUNK];
        let length = file.read(&mut chunk).await?;
        if length == 0 {
            break;
        }
        chunk.truncate(length);
        hash.update(&chunk);
        let mut message = Message::from("data");
        message.push(chunk);
        // Waits while the queue is full: the peer's disk sets the pace.
        node.whisper(&peer, message).await?;
    }
    let mut message = Message::from("end");
    message.push(hash.finalize().to_vec());
    node.whisper(&peer, message).await?;
    expect(&mut events, &peer, "kept").await?;

    println!("{peer} has {} ({size} bytes)", path.display());
    node.shutdown().await;
    Ok(())
}

/// The peer of that name, once it is here.
async fn find(events: &mut Events, name: &str) -> Result<Peer> {
    while let Some(event) = events.recv().await {
        match event {
            Event::Enter { peer } if peer.name() == name => return Ok(peer),
            _ => {}
        }
    }
    Err("the node has stopped".into())
}

/// Waits for the peer's next whisper, which must be this word.
async fn expect(events: &mut Events, from: &Peer, word: &str) -> Result<()> {
    let answer = async {
        while let Some(event) = events.recv().await {
            match event {
                Event::Whisper { peer, message } if peer == *from => return Ok(message),
                Event::Exit { peer, reason, .. } if peer == *from => {
                    return Err(format!("{peer} has gone: {reason}"));
                }
                _ => {}
            }
        }
        Err("the node has stopped".into())
    };
    let message = timeout(PATIENCE, answer).await??;
    match message.to_str() {
        Some(text) if text == word => Ok(()),
        text => Err(format!("{from} says: {}", text.unwrap_or("?")).into()),
    }
}

/// Receives files, one at a time from each peer.
async fn receive(name: &str, directory: &Path) -> Result<()> {
    create_dir_all(directory).await?;
    let (node, mut events) = Node::builder().name(name).start().await?;
    println!("{name} keeps files in {}", directory.display());
    let mut arriving = HashMap::new();
    loop {
        let event = tokio::select! {
            Some(event) = events.recv() => event,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            Event::Whisper { peer, message } => {
                let answer = match take(&mut arriving, &peer, &message, directory).await {
                    Ok(answer) => answer.map(String::from),
                    Err(error) => {
                        discard(&mut arriving, &peer).await;
                        Some(error.to_string())
                    }
                };
                if let Some(answer) = answer {
                    println!("{peer}: {answer}");
                    // Never wait for a peer that doesn't read.
                    let _ = node.try_whisper(&peer, answer);
                }
            }
            Event::Exit { peer, .. } => discard(&mut arriving, &peer).await,
            _ => {}
        }
    }
    node.shutdown().await;
    Ok(())
}

/// A file that isn't complete.
struct Arriving {
    file: File,
    hash: Sha256,
    missing: u64,
    /// Its paths: until it is complete, and then.
    part: PathBuf,
    path: PathBuf,
}

/// Carries out a whisper, and returns the answer.
async fn take(
    arriving: &mut HashMap<Uuid, Arriving>,
    from: &Peer,
    message: &Message,
    directory: &Path,
) -> Result<Option<&'static str>> {
    let key = from.uuid();
    let frames: Vec<&[u8]> = message.frames().iter().map(AsRef::as_ref).collect();
    match frames[..] {
        [b"file", name, size] => {
            discard(arriving, from).await;
            let missing: u64 = std::str::from_utf8(size)?.parse()?;
            if missing > LARGEST {
                return Err("that file is too large".into());
            }
            // The sender must not choose the directory.
            let name = Path::new(std::str::from_utf8(name)?);
            let path = directory.join(name.file_name().ok_or("a file has a name")?);
            if path.exists() {
                return Err("there is such a file".into());
            }
            let part = directory.join(format!("{key}.part"));
            let (file, hash) = (File::create(&part).await?, Sha256::new());
            arriving.insert(
                key,
                Arriving {
                    file,
                    hash,
                    missing,
                    part,
                    path,
                },
            );
            Ok(Some("go"))
        }
        [b"data", chunk] => {
            // More of a refused file may be on its way.
            let Some(incoming) = arriving.get_mut(&key) else {
                return Ok(None);
            };
            let rest = incoming.missing.checked_sub(chunk.len().try_into()?);
            incoming.missing = rest.ok_or("that is more than was announced")?;
            incoming.hash.update(chunk);
            incoming.file.write_all(chunk).await?;
            Ok(None)
        }
        [b"end", sum] => {
            let incoming = arriving.get_mut(&key).ok_or("there is no file to end")?;
            incoming.file.flush().await?;
            if incoming.missing > 0 || incoming.hash.clone().finalize()[..] != *sum {
                return Err("that isn't what was sent".into());
            }
            rename(&incoming.part, &incoming.path).await?;
            arriving.remove(&key);
            Ok(Some("kept"))
        }
        _ => Err("that isn't a file".into()),
    }
}

/// Forgets an incomplete file.
async fn discard(arriving: &mut HashMap<Uuid, Arriving>, from: &Peer) {
    if let Some(incoming) = arriving.remove(&from.uuid()) {
        let _ = remove_file(incoming.part).await;
    }
}
