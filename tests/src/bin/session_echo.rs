//! Sends back whatever its inbox receives: a session's end for libzmq's sockets
//! to talk to.
//!
//! ```text
//! session_echo ENGINE IPC_DIRECTORY|off [curve]
//! ```
//! It listens on loopback and says where: `{"event":"started", "endpoint": ..,
//! "ipc": .., "key": ..}`. Then it reads one line, `{"tcp": .., "ipc": .., "key": ..}`,
//! opens a mailbox to that ROUTER, and says `up` with its link. What comes into the
//! inbox goes out by the mailbox, frame by frame. It ends with its connection,
//! or with its input.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use zre_curve::{Anyone, Curve, Keys, PublicKey};
use zre_session::{
    Arrival, Config, Engine, Identity, IpcDir, Links, Mailbox, Message, Notice, SameHost, Target,
    TrySendError,
};

type Failure = Box<dyn Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let engine = match arguments.next().as_deref() {
        Some("native") => Engine::Native,
        Some("zeromq") => Engine::ZeroMq,
        other => return Err(format!("unknown engine {other:?}").into()),
    };
    let ipc = match arguments.next().as_deref() {
        Some("off") | None => IpcDir::Off,
        Some(directory) => IpcDir::Path(PathBuf::from(directory)),
    };

    let mut config = Config::new(Identity::new(vec![0xE0; 17])?);
    config.engine = engine;
    config.ipc = ipc;
    let curve = match arguments.next().as_deref() {
        Some("curve") => Some(Curve::new(Keys::generate()?, Arc::new(Anyone))),
        None => None,
        other => return Err(format!("unknown mechanism {other:?}").into()),
    };
    if let Some(curve) = &curve {
        config.mechanism = Arc::new(curve.clone());
    }
    config.listen = vec!["127.0.0.1:0".parse()?];
    let (links, mut inbox, mut notices) = Links::open(config).await?;
    say(&json!({
        "event": "started",
        "uuid": null,
        "endpoint": links.listening().first().map(|at| format!("tcp://{at}")),
        "ipc": links.ipc_path(),
        "key": curve.as_ref().map(|curve| curve.public().to_string()),
    }))?;

    let target: Value = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok::<_, std::io::Error>(serde_json::from_str(&line)?)
    })
    .await??;
    let mut to = Target::default().same_host(SameHost::Never);
    to.addr = target["tcp"].as_str().map(str::parse).transpose()?;
    to.ipc = target["ipc"].as_str().map(PathBuf::from);
    if let (Some(curve), Some(key)) = (curve, target["key"].as_str()) {
        to.mechanism = Some(Arc::new(curve.to(key.parse()?)));
    }
    let mailbox = links.connect(1, to);
    // The end of the input ends the program, whatever else goes on.
    let ended = tokio::task::spawn_blocking(|| {
        std::io::stdin().lock().lines().for_each(drop);
    });
    tokio::pin!(ended);

    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                Some(Notice::Up { link, key, .. }) => {
                    let key = key.map(|key| PublicKey::from(key).to_string());
                    say(&json!({ "event": "up", "link": link.to_string(), "key": key }))?;
                }
                Some(Notice::Closed { reason, lost, .. }) => {
                    say(&json!({ "event": "closed", "reason": reason.to_string(), "lost": lost }))?;
                    break;
                }
                Some(Notice::Panicked { .. }) | None => break,
            },
            arrival = inbox.recv() => match arrival {
                Some(Arrival::Batch(batch)) => {
                    for message in &batch.messages {
                        echo(&mailbox, message).await?;
                    }
                }
                Some(Arrival::Opened { from, .. }) => {
                    say(&json!({
                        "event": "opened",
                        "link": from.link.to_string(),
                        "identity": from.identity.to_string(),
                        "key": from.key.map(|key| PublicKey::from(key).to_string()),
                    }))?;
                }
                Some(Arrival::Closed { reason, .. }) => {
                    say(&json!({ "event": "inbox-closed", "reason": reason.to_string() }))?;
                }
                Some(Arrival::Denied { .. }) => {}
                None => break,
            },
            _ = &mut ended => break,
        }
    }
    let shutdown = links.shutdown(Duration::from_secs(5)).await;
    say(&json!({ "event": "stopped", "lost": shutdown.lost }))?;
    // The reader of the input may still wait for its end.
    std::process::exit(0);
}

/// Sends a message, waiting while the mailbox is full.
async fn echo(mailbox: &Mailbox, message: &Message) -> Result<(), Failure> {
    let Message { head, body } = message;
    loop {
        match mailbox.try_send(head, body) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full) => {
                mailbox.writable(message.bytes()).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes one line.
fn say(event: &Value) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{event}")?;
    output.flush()?;
    Ok(())
}
