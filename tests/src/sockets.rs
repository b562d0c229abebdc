//! Which TCP connections two processes share, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;

/// One connected TCP socket: its own address and the other end's, as the
/// kernel writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    local: String,
    remote: String,
}

/// Every connection that has one end in process `one` and the other in process
/// `other`, as `one` sees it.
pub fn tcp_between(one: u32, other: u32) -> Vec<Connection> {
    let theirs = connections(other);
    connections(one)
        .into_iter()
        .filter(|mine| {
            theirs
                .iter()
                .any(|their| their.local == mine.remote && their.remote == mine.local)
        })
        .collect()
}

/// The connected TCP sockets that a process holds.
fn connections(pid: u32) -> Vec<Connection> {
    let mut table = BTreeMap::new();
    for file in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            // sl local_address rem_address st queues timer retransmits uid timeout inode
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, local, remote, state, _, _, _, _, _, inode, ..] = fields[..]
                && state == "01"
            {
                let connection = Connection {
                    local: local.into(),
                    remote: remote.into(),
                };
                table.insert(inode.to_owned(), connection);
            }
        }
    }
    fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap_or_else(|error| panic!("/proc/{pid}/fd: {error}"))
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let name = target.to_string_lossy();
            let inode = name.strip_prefix("socket:[")?.strip_suffix(']')?;
            table.get(inode).cloned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn sees_a_connection_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = std::process::id();
        let before = tcp_between(ours, ours).len();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = listener.accept().unwrap();
        assert_eq!(
            tcp_between(ours, ours).len(),
            before + 2,
            "one from each end"
        );
        drop((stream, accepted));
    }
}
