use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// The service to look up.
#[derive(Clone, Debug)]
pub(crate) struct Dns {
    /// Such as `example.org`, or `zre.default.svc.cluster.local`.
    pub(crate) domain: String,
    /// Service and protocol: by default `_zre._tcp`.
    pub(crate) service: String,
}

impl Dns {
    /// The name of the records.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.service, self.domain)
    }
}

/// The name server.
#[derive(Clone)]
pub(crate) struct Resolver {
    inner: Arc<TokioResolver>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// The given server, or those of the system's configuration.
    ///
    /// # Errors
    /// The system's configuration can't be read, as a sentence.
    pub(crate) fn new(server: Option<SocketAddr>) -> Result<Self, String> {
        let builder = match server {
            Some(addr) => {
                let with_port = |mut connection: ConnectionConfig| {
                    connection.port = addr.port();
                    connection
                };
                let connections = vec![
                    with_port(ConnectionConfig::udp()),
                    with_port(ConnectionConfig::tcp()),
                ];
                let server = NameServerConfig::new(addr.ip(), true, connections);
                Ok(TokioResolver::builder_with_config(
                    ResolverConfig::from_parts(None, Vec::new(), vec![server]),
                    TokioRuntimeProvider::default(),
                ))
            }
            None => TokioResolver::builder_tokio(),
        };
        let mut builder = builder.map_err(|error| error.to_string())?;
        // The next question comes when the answer has expired, and needs a fresh one.
        builder.options_mut().cache_size = 0;
        let inner = builder.build().map_err(|error| error.to_string())?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    pub(super) fn inner(&self) -> &TokioResolver {
        &self.inner
    }

    /// The addresses of a host; empty if it has none or no server answers.
    pub(crate) async fn addrs(&self, host: &str) -> Vec<IpAddr> {
        match self.inner.lookup_ip(host).await {
            Ok(found) => found.iter().collect(),
            Err(error) => {
                tracing::debug!(%host, %error, "the name server doesn't know the name");
                Vec::new()
            }
        }
    }
}
