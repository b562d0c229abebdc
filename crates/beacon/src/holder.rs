//! Who holds a UDP port, as far as the system tells.

use std::net::SocketAddr;

/// The programs that hold the address, each with its process id, as far as this user may
/// look. For a message only: sockets come and go while it is made.
#[cfg(target_os = "linux")]
pub(crate) fn holder(addr: SocketAddr) -> Option<String> {
    let mut inodes = Vec::new();
    for table in ["udp", "udp6"] {
        let table = std::fs::read_to_string(format!("/proc/thread-self/net/{table}"));
        inodes.extend(table.iter().flat_map(|table| inodes_of(table, addr)));
    }
    let mut names = Vec::new();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
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
            std::fs::read_link(file.path()).is_ok_and(|link| {
                let link = link.to_string_lossy();
                inodes
                    .iter()
                    .any(|inode| *link == *format!("socket:[{inode}]"))
            })
        });
        if holds {
            let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
            names.push(format!("{} (process {pid})", name.trim()));
        }
    }
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn holder(_: SocketAddr) -> Option<String> {
    None
}

/// The sockets of a `/proc/net/udp` table that stand in the way of binding to the address:
/// those bound to it, and those bound to all addresses, at its port.
#[cfg(target_os = "linux")]
fn inodes_of(table: &str, addr: SocketAddr) -> Vec<u64> {
    let wanted = match addr {
        // The kernel prints each 32-bit word as it lies in memory.
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
    };
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (ip, port) = fields.nth(1)?.split_once(':')?;
            let inode = fields.nth(7)?.parse().ok()?;
            let stands = ip == wanted || ip.bytes().all(|digit| digit == b'0');
            (stands && u16::from_str_radix(port, 16) == Ok(addr.port())).then_some(inode)
        })
        .collect()
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

    #[test]
    fn finds_what_stands_in_the_way() {
        let addr = "127.255.255.255:5670".parse().unwrap();
        assert_eq!(inodes_of(TABLE, addr), [901, 902]);
        let addr = "127.255.255.255:5672".parse().unwrap();
        assert!(inodes_of(TABLE, addr).is_empty());
    }
}
