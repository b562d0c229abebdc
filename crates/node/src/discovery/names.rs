//! Looks up host names.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::sync::Semaphore;

/// How long a lookup may take, with its wait for a turn: longer than the system's
/// resolver takes to ask its second server.
const PATIENCE: Duration = Duration::from_secs(12);

/// How many addresses of one name are tried. The name of one node has one or two; a name
/// with more stands for a service, for which SRV records exist.
const MOST: usize = 16;

/// The lookups that the process performs at the same time. Each that asks the system
/// takes a thread, until the system gives up, which may be after our patience ends.
///
/// Names that other nodes name have turns of their own: they can be many, and their name
/// servers silent.
static CONFIGURED: Semaphore = Semaphore::const_new(8);
static NAMED_BY_OTHERS: Semaphore = Semaphore::const_new(4);

/// Looks names up, anew each time: their addresses change, and the resolver below knows
/// how long an answer may be kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The name server that the user chose, which may know names that the system's
    /// servers don't.
    #[cfg(feature = "dns")]
    pub(crate) resolver: Option<super::dns::Resolver>,
}

impl Names {
    /// The addresses of a name, in the order in which to try them. Empty if the lookup
    /// fails. `configured`: the user has named the name, and not another node.
    pub(crate) async fn lookup(&self, host: &str, port: u16, configured: bool) -> Vec<SocketAddr> {
        let turns = match configured {
            true => &CONFIGURED,
            false => &NAMED_BY_OTHERS,
        };
        let looking = self.lookup_in_turn(turns, host, port);
        tokio::time::timeout(PATIENCE, looking)
            .await
            .unwrap_or_else(|_| {
                tracing::debug!(%host, "looking the name up takes too long");
                Vec::new()
            })
    }

    async fn lookup_in_turn(
        &self,
        turns: &'static Semaphore,
        host: &str,
        port: u16,
    ) -> Vec<SocketAddr> {
        #[cfg(feature = "dns")]
        if let Some(resolver) = &self.resolver {
            let turn = turns.acquire().await;
            let found = resolver.addrs(host).await;
            drop(turn);
            if !found.is_empty() {
                return found
                    .into_iter()
                    .take(MOST)
                    .map(|ip| (ip, port).into())
                    .collect();
            }
        }
        let name = (host.to_owned(), port);
        let found = in_turn(turns, move || name.to_socket_addrs()).await;
        let mut addrs: Vec<SocketAddr> = Vec::new();
        match found {
            Ok(found) => {
                for addr in found {
                    if addrs.len() < MOST && !addrs.contains(&addr) {
                        addrs.push(addr);
                    }
                }
            }
            Err(error) => tracing::debug!(%host, %error, "the name can't be looked up"),
        }
        addrs
    }
}

/// Asks the system on a thread of its own, as soon as there is a turn. The turn lasts for
/// as long as the thread does, even if nobody waits for the answer any more.
async fn in_turn<T: Send + 'static>(
    turns: &'static Semaphore,
    ask: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let turn = turns.acquire().await.map_err(io::Error::other)?;
    let asking = tokio::task::spawn_blocking(move || {
        let answer = ask();
        drop(turn);
        answer
    });
    asking.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_silent_name_server_keeps_few_threads_and_lookups_get_their_turns_again() {
        static TURNS: Semaphore = Semaphore::const_new(4);
        static ASKING: AtomicUsize = AtomicUsize::new(0);
        let (answer, silence) = mpsc::channel::<()>();
        let silence = std::sync::Arc::new(std::sync::Mutex::new(silence));
        let mut given_up = Vec::new();
        for _ in 0..100 {
            let silence = std::sync::Arc::clone(&silence);
            let asking = in_turn(&TURNS, move || {
                ASKING.fetch_add(1, Ordering::SeqCst);
                // It ends when the name server answers: when the sender is dropped.
                let _ = silence.lock().unwrap().recv();
                ASKING.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            });
            given_up.push(tokio::spawn(asking));
        }
        while ASKING.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
        for lookup in given_up {
            lookup.abort();
            assert!(lookup.await.unwrap_err().is_cancelled());
        }
        let late = tokio::spawn(in_turn(&TURNS, || Ok(())));
        tokio::task::yield_now().await;
        assert_eq!(ASKING.load(Ordering::SeqCst), 4);
        assert!(!late.is_finished(), "the threads of the others still ask");
        drop(answer);
        late.await.unwrap().unwrap();
    }
}
