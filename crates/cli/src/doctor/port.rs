//! Which programs hold a UDP port.

use super::finding::Finding;

/// Says who listens at the port, as far as this user may look.
#[cfg(target_os = "linux")]
pub(crate) fn examine(port: u16) -> Finding {
    let inodes = inodes(port);
    if inodes.is_empty() {
        return Finding::ok("port", format!("nobody else on this host holds UDP {port}"));
    }
    let programs = programs(&inodes);
    let who = match programs.is_empty() {
        true => "a program that this user may not see (root may)".to_owned(),
        false => programs.join(", "),
    };
    Finding::note("port", format!("UDP {port} is shared with {who}"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn examine(port: u16) -> Finding {
    Finding::note(
        "port",
        format!("who holds UDP {port} is looked up on Linux only"),
    )
}

/// The sockets at a port, whatever address they are bound to. To be looked up
/// before there are any of our own.
#[cfg(target_os = "linux")]
fn inodes(port: u16) -> Vec<String> {
    let tables = ["udp", "udp6"].map(|table| format!("/proc/self/net/{table}"));
    let tables = tables
        .iter()
        .filter_map(|t| std::fs::read_to_string(t).ok());
    tables.flat_map(|table| inodes_of(&table, port)).collect()
}

#[cfg(target_os = "linux")]
fn inodes_of(table: &str, port: u16) -> Vec<String> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (_, digits) = fields.nth(1)?.split_once(':')?;
            let inode = fields.nth(7)?;
            (u16::from_str_radix(digits, 16) == Ok(port)).then(|| inode.to_owned())
        })
        .collect()
}

/// Programs with their process ids.
#[cfg(target_os = "linux")]
fn programs(inodes: &[String]) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let sockets: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let mut programs = Vec::new();
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|link| {
                sockets
                    .iter()
                    .any(|socket| link.as_os_str() == socket.as_str())
            })
        });
        if holds {
            let comm = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            programs.push(format!("{} (process {pid})", comm.trim()));
        }
    }
    programs
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_their_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             72: FFFFFF7F:1626 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0\n\
             73: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0 0\n\
             cut off";
        assert_eq!(inodes_of(table, 5670), ["4711"]);
        assert_eq!(inodes_of(table, 5671), [""; 0]);
    }
}
