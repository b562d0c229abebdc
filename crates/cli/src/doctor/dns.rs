//! Checks the nodes that a domain lists.

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::finding::Finding;

/// The maximum number of records that are shown.
const SHOWN: usize = 16;

/// Looks up the SRV records of a name.
pub(crate) async fn examine(name: &str, server: Option<SocketAddr>) -> Vec<Finding> {
    let resolver = match resolver(server) {
        Ok(resolver) => resolver,
        Err(why) => {
            return vec![Finding::problem(
                "dns",
                format!("this host's name servers can't be read: {why}"),
                "check /etc/resolv.conf, or name a server with --dns-server",
            )];
        }
    };
    let found = match resolver.lookup(name, RecordType::SRV).await {
        Ok(found) => found,
        Err(error) if error.is_no_records_found() => {
            return vec![Finding::problem(
                "dns",
                format!("{name} has no SRV records"),
                "add one for each node, with its host and port",
            )];
        }
        Err(error) => {
            return vec![Finding::problem(
                "dns",
                format!("no answer for {name}: {error}"),
                "check that the name server is reachable, or name another with --dns-server",
            )];
        }
    };
    let mut findings = Vec::new();
    for record in found.answers().iter().take(SHOWN) {
        let RData::SRV(srv) = &record.data else {
            continue;
        };
        let (host, port) = (srv.target.to_utf8(), srv.port);
        findings.push(match resolver.lookup_ip(host.as_str()).await {
            Ok(addrs) => {
                let addrs: Vec<String> = addrs.iter().take(SHOWN).map(|a| a.to_string()).collect();
                let text = format!(
                    "{name} lists {host} port {port}, which is {}",
                    addrs.join(", ")
                );
                Finding::ok("dns", text)
            }
            Err(error) => Finding::problem(
                "dns",
                format!("{name} lists {host} port {port}, which has no address: {error}"),
                "add an A or AAAA record for that host",
            ),
        });
    }
    findings
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, String> {
    let builder = match server {
        None => TokioResolver::builder_tokio().map_err(|error| error.to_string())?,
        Some(addr) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
                way.port = addr.port();
                way
            });
            let server = NameServerConfig::new(addr.ip(), true, connections.into());
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), vec![server]),
                TokioRuntimeProvider::default(),
            )
        }
    };
    builder.build().map_err(|error| error.to_string())
}
