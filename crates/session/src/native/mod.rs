//! This crate's own link engine: ZMTP in one direction, every limit kept.
//!
//! A connection of the inbox is one task ([`reader`]) that reads into a
//! borrowed buffer, decodes, and fills its receive queue; a full queue makes it
//! stop reading, which is TCP's back-pressure. A mailbox is a queue in wire form
//! that callers write themselves if they can ([`outbound`]), and one task
//! ([`mailbox_task`]) for what they can't: connecting, a full socket, the end.
//!
//! Timers exist while something is about to end (a handshake, a route that is
//! tried, a linger), all of them in the runtime's one timer wheel; a connection
//! that is up has none, and an idle one holds no buffer.

mod accept;
mod flight;
mod greet;
mod half_open;
mod host;
mod mailbox_task;
mod outbound;
mod pool;
mod queue;
mod reader;
#[cfg(test)]
mod scripted_stream;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::engine::{Change, Dial, InboxParts, Listening, QueueParts, Served, Server};
use crate::guard::PanicGuard;
use crate::listen::listen_also;
use crate::send_queue::SendQueue;
use crate::{OpenError, descriptors};
use accept::{Listener, accept_all};
use half_open::HalfOpen;
use host::Host;
use outbound::Outbound;

/// Accepts connections, each of which fills a queue of its own.
///
/// # Errors
/// When the runtime can't watch a listener.
pub(crate) async fn serve_inbox(parts: InboxParts) -> io::Result<Server> {
    let _in_runtime = parts.runtime.enter();
    let mut listeners = Vec::new();
    for (addr, listener) in parts.tcp {
        let listener = Listener::Tcp(TcpListener::from_std(listener)?);
        listeners.push((Some(addr), listener));
    }
    #[cfg(unix)]
    let name = match parts.ipc {
        None => None,
        Some(socket) => {
            let (listener, name) = socket.into_parts();
            listener.set_nonblocking(true)?;
            listeners.push((None, Listener::Unix(UnixListener::from_std(listener)?)));
            Some(name)
        }
    };
    #[cfg(not(unix))]
    let name = parts.ipc;
    let host = Arc::new(Host {
        half_open: HalfOpen::new(parts.local.limits.half_open.min(descriptors::share())),
        partial: Arc::default(),
        local: parts.local,
        dispatcher: parts.dispatcher,
        runtime: parts.runtime.clone(),
    });
    let (server, served) = Server::new();
    let guard = parts.guard.clone();
    let supervising = supervise(listeners, parts.listening, host, served, guard, name);
    parts.runtime.spawn(parts.guard.watch(supervising));
    Ok(server)
}

/// Keeps the listeners going until the server is stopped. `ipc_name` is our name
/// in the ipc directory.
async fn supervise<N>(
    listeners: Vec<(Option<SocketAddr>, Listener)>,
    listening: Listening,
    host: Arc<Host>,
    mut served: Served,
    guard: PanicGuard,
    ipc_name: N,
) {
    let mut accepting: Vec<(Option<SocketAddr>, JoinHandle<()>)> = listeners
        .into_iter()
        .map(|(addr, listener)| {
            let accept = accept_all(listener, Arc::clone(&host));
            (addr, tokio::spawn(guard.clone().watch(accept)))
        })
        .collect();
    loop {
        let change = tokio::select! {
            biased;
            // An error means that the server was dropped: stop as well.
            _ = &mut served.stop => break,
            Some(change) = served.changes.recv() => change,
        };
        match change {
            Change::Listen(addr, done) if listening.contains(addr) => drop(done.send(Ok(()))),
            Change::Listen(addr, done) => {
                let listened = listen_also(addr).and_then(|(at, listener)| {
                    let listener = TcpListener::from_std(listener)
                        .map_err(|source| OpenError::Listen { addr, source })?;
                    let accept = accept_all(Listener::Tcp(listener), Arc::clone(&host));
                    accepting.push((Some(at), tokio::spawn(guard.clone().watch(accept))));
                    listening.add(at);
                    Ok(())
                });
                // An error: nobody wants to know.
                let _ = done.send(listened);
            }
            Change::Unlisten(addr) => {
                listening.remove(addr);
                let (closed, kept) = accepting.into_iter().partition(|(at, _)| *at == Some(addr));
                accepting = kept;
                stop(closed).await;
            }
        }
    }
    stop(accepting).await;
    // The dispatcher ends the connections whose handshake is over.
    host.half_open.shut();
    // Only now may another node take our name.
    drop(ipc_name);
    // An error means that nobody waits.
    let _ = served.stopped.send(true);
}

/// Returns once these sockets are closed.
async fn stop(accepting: Vec<(Option<SocketAddr>, JoinHandle<()>)>) {
    for (_, task) in accepting {
        task.abort();
        // It was aborted: its outcome says nothing.
        let _ = task.await;
    }
}

/// Returns at once a queue that accepts messages, and connects in the background.
pub(crate) fn open_mailbox(dial: Dial, parts: QueueParts, runtime: &Handle) -> Arc<dyn SendQueue> {
    let outbound = Outbound::new(&dial.local, parts);
    runtime.spawn(mailbox_task::run(Arc::clone(&outbound), dial));
    outbound
}
