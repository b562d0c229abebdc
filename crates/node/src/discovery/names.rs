//! Looks up host names.

use std::net::SocketAddr;
use std::time::Duration;

/// How long a lookup may take: longer than the system's resolver takes to ask
/// its second server.
const PATIENCE: Duration = Duration::from_secs(12);

/// How many addresses of one name are tried. The name of one node has one or two; a name
/// with more stands for a service, for which SRV records exist.
const MOST: usize = 16;

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
    /// fails.
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
