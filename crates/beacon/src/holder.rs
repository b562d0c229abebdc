//! The programs that hold a UDP port.

use std::net::SocketAddr;

/// The holders of a UDP port, from [`holders`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holders {
    /// How many sockets are bound to it, at any address, the caller's included.
    pub sockets: usize,
    /// The programs of these sockets, as `name (process 4711)`, as far as this user may see
    /// them; root sees all.
    pub programs: Vec<String>,
}

/// The holders of a UDP port in the network namespace of the calling thread. Sockets may come
/// and go meanwhile.
///
/// `None` on systems other than Linux. Reads files and may take some milliseconds.
#[cfg(target_os = "linux")]
#[must_use]
pub fn holders(port: u16) -> Option<Holders> {
    let sockets = sockets(|_, bound| bound == port);
    Some(Holders {
        sockets: sockets.len(),
        programs: programs(&sockets),
    })
}

/// `None`: this system doesn't tell.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn holders(_port: u16) -> Option<Holders> {
    None
}

/// The programs that prevent binding to the address, for a message.
#[cfg(target_os = "linux")]
pub(crate) fn holder(addr: SocketAddr) -> Option<String> {
    let names = programs(&sockets(prevents_binding(addr)));
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn holder(_: SocketAddr) -> Option<String> {
    None
}

/// Whether a socket is bound to the address, or to all addresses, at its port.
#[cfg(target_os = "linux")]
fn prevents_binding(addr: SocketAddr) -> impl Fn(&str, u16) -> bool {
    let wanted = digits(addr);
    move |ip, port| port == addr.port() && (ip == wanted || ip.bytes().all(|digit| digit == b'0'))
}

/// The inodes of the UDP sockets whose address, as the kernel prints it, and port are wanted.
#[cfg(target_os = "linux")]
fn sockets(wanted: impl Fn(&str, u16) -> bool) -> Vec<u64> {
    let mut inodes = Vec::new();
    for table in ["udp", "udp6"] {
        let table = std::fs::read_to_string(format!("/proc/thread-self/net/{table}"));
        inodes.extend(table.iter().flat_map(|table| inodes_of(table, &wanted)));
    }
    inodes
}

#[cfg(target_os = "linux")]
fn inodes_of(table: &str, wanted: impl Fn(&str, u16) -> bool) -> Vec<u64> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (ip, port) = fields.nth(1)?.split_once(':')?;
            let inode = fields.nth(7)?.parse().ok()?;
            wanted(ip, u16::from_str_radix(port, 16).ok()?).then_some(inode)
        })
        .collect()
}

/// An address as the kernel prints it: each 32-bit word in memory order.
#[cfg(target_os = "linux")]
fn digits(addr: SocketAddr) -> String {
    match addr {
        SocketAddr::V4(addr) => {
            format!("{:08X}", u32::from_ne_bytes(addr.ip().octets()))
        }
        SocketAddr::V6(addr) => {
            let octets = addr.ip().octets();
            let (words, _) = octets.as_chunks::<4>();
            words
                .iter()
                .map(|&word| format!("{:08X}", u32::from_ne_bytes(word)))
                .collect()
        }
    }
}

/// The programs that hold these sockets, each with its process id.
#[cfg(target_os = "linux")]
fn programs(inodes: &[u64]) -> Vec<String> {
    let links: Vec<String> = inodes.iter().map(|i| format!("socket:[{i}]")).collect();
    let mut names = Vec::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = process.path();
        let Some(pid) = path
            .file_name()
            .and_then(|name| name.to_str()?.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(path.join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            let link = std::fs::read_link(file.path());
            link.is_ok_and(|link| {
                links
                    .iter()
                    .any(|socket| link.as_os_str() == socket.as_str())
            })
        });
        if holds {
            let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
            names.push(format!("{} (process {pid})", name.trim()));
        }
    }
    names
}

#[cfg(all(test, target_os = "linux", target_endian = "little"))]
mod tests {
    use super::*;

    const TABLE: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  397: 00000000:1626 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 901 2 0000000000000000 0
  398: FFFFFF7F:1626 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 902 2 0000000000000000 0
  399: FFFFFF7F:1627 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 903 2 0000000000000000 0
  400: FFFF000A:1626 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 904 2 0000000000000000 0
  damaged
";

    fn found(addr: [u8; 4], port: u16) -> Vec<u64> {
        inodes_of(TABLE, prevents_binding((addr, port).into()))
    }

    #[test]
    fn finds_the_sockets_that_prevent_binding() {
        assert_eq!(found([127, 255, 255, 255], 5670), [901, 902]);
        assert!(found([127, 255, 255, 255], 5672).is_empty());
    }

    #[test]
    fn finds_all_at_a_port() {
        assert_eq!(inodes_of(TABLE, |_, port| port == 5670), [901, 902, 904]);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let holders = holders(socket.local_addr().unwrap().port()).unwrap();
        assert!(holders.sockets >= 1);
        let own = format!("(process {})", std::process::id());
        let found = holders.programs.iter().any(|name| name.ends_with(&own));
        assert!(found, "{holders:?}");
    }
}
