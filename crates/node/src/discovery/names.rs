//! What names stand for.

use std::net::SocketAddr;
use std::time::Duration;

/// How long a lookup may take: longer than the system's resolver takes to ask
/// its second server.
const PATIENCE: Duration = Duration::from_secs(12);

/// How many addresses of one name are tried. A name for one node has one or two;
/// one for more than that stands for a service, which SRV records are for.
const MOST: usize = 16;

/// Looks names up, each time anew: what a name stands for changes, and the
/// resolver below knows for how long an answer may be kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The name server that the user named: it knows names that the system's
    /// don't.
    #[cfg(feature = "dns")]
    pub(crate) resolver: Option<super::dns::Resolver>,
}

impl Names {
    /// The addresses of a name, in the order in which to try them. None where
    /// it can't be looked up.
    pub(crate) async fn lookup(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        #[cfg(feature = "dns")]
        if let Some(resolver) = &self.resolver {
            let found = resolver.addrs(host).await;
            if !found.is_empty() {
                return found
                    .into_iter()
                    .take(MOST)
                    .map(|ip| (ip, port).into())
                    .collect();
            }
        }
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
        let mut addrs: Vec<SocketAddr> = Vec::new();
        match found {
            Ok(Ok(found)) => {
                for addr in found {
                    if addrs.len() < MOST && !addrs.contains(&addr) {
                        addrs.push(addr);
                    }
                }
            }
            Ok(Err(error)) => tracing::debug!(%host, %error, "the name can't be looked up"),
            Err(_) => tracing::debug!(%host, "looking the name up takes too long"),
        }
        addrs
    }
}
