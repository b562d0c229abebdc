//! This crate's own link engine: ZMTP in one direction, every limit kept.
//!
//! A connection of the inbox is one task ([`reader`]) that reads into a
//! borrowed buffer, decodes, and fills its lane; a full lane makes it stop
//! reading, which is TCP's back-pressure. A mailbox is a queue in wire form
//! that callers write themselves where they can ([`outbound`]), and one task
//! ([`dial`]) for what they can't: connecting, a full socket, the end.
//!
//! Timers exist while something is about to end (a handshake, a dial, a
//! linger), all of them in the runtime's one timer wheel; a connection that
//! stands has none, and an idle one holds no buffer.

mod dial;
mod greet;
mod half_open;
mod listen;
mod outbound;
mod pool;
mod reader;
mod stream;
mod unsealed;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use crate::OpenError;
use crate::engine::{Change, Dial, Listening, Seat, Served, Server};
use crate::listen::listen_also;
use crate::mailbox::Outlet;
use half_open::HalfOpen;
use listen::{Host, Listener, accept_all};
use outbound::Outbound;

/// Accepts connections, and fills the lanes of the seat's intake.
///
/// # Errors
/// When the runtime can't watch a listener.
pub(crate) async fn serve(seat: Seat) -> io::Result<Server> {
    let _in_runtime = seat.runtime.enter();
    let mut listeners = Vec::new();
    for (addr, listener) in seat.tcp {
        let listener = Listener::Tcp(TcpListener::from_std(listener)?);
        listeners.push((Some(addr), listener));
    }
    #[cfg(unix)]
    let place = match seat.ipc {
        None => None,
        Some(socket) => {
            let (listener, place) = socket.into_parts();
            listener.set_nonblocking(true)?;
            listeners.push((None, Listener::Unix(UnixListener::from_std(listener)?)));
            Some(place)
        }
    };
    #[cfg(not(unix))]
    let place = seat.ipc;
    let host = Arc::new(Host {
        half_open: HalfOpen::new(seat.limits.half_open),
        partial: Arc::default(),
        own: seat.own,
        mechanism: seat.mechanism,
        limits: seat.limits,
        intake: seat.intake,
        runtime: seat.runtime.clone(),
    });
    let (server, served) = Server::new();
    seat.runtime
        .spawn(supervise(listeners, seat.listening, host, served, place));
    Ok(server)
}

/// Keeps the listeners going until they are to stop.
async fn supervise<P>(
    listeners: Vec<(Option<SocketAddr>, Listener)>,
    listening: Listening,
    host: Arc<Host>,
    mut served: Served,
    place: P,
) {
    let mut accepting: Vec<(Option<SocketAddr>, JoinHandle<()>)> = listeners
        .into_iter()
        .map(|(addr, listener)| (addr, tokio::spawn(accept_all(listener, Arc::clone(&host)))))
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
                    accepting.push((Some(at), tokio::spawn(accept)));
                    listening.add(at);
                    Ok(())
                });
                // Nobody may want to know.
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
    // Connections that stand are in the intake's hands.
    host.half_open.shut();
    // Only now may someone else take our name.
    drop(place);
    // An error means that nobody waits.
    let _ = served.stopped.send(true);
}

/// Returns once these sockets are closed.
async fn stop(accepting: Vec<(Option<SocketAddr>, JoinHandle<()>)>) {
    for (_, task) in accepting {
        task.abort();
        // It was told to stop; how it did says nothing.
        let _ = task.await;
    }
}

/// Dials, and returns at once what accepts messages meanwhile.
pub(crate) fn dial(dial: Dial) -> Arc<dyn Outlet> {
    let outbound = Outbound::new(
        dial.mechanism.seals(),
        dial.limits.clone(),
        dial.budget,
        dial.pace,
        dial.report,
    );
    let call = dial::Call {
        routes: dial.routes,
        own: dial.own,
        peer: dial.peer,
        mechanism: dial.mechanism,
        limits: dial.limits,
    };
    dial.runtime.spawn(dial::run(Arc::clone(&outbound), call));
    outbound
}
