//! Finds the programs that use a UDP port.

use super::finding::Finding;

/// Reports the programs that listen at the port, as far as this user may see them.
/// Must be called before this process opens sockets at the port.
pub(crate) fn examine(port: u16) -> Finding {
    let Some(holders) = zre_beacon::holders(port) else {
        let text = format!("the programs that use UDP {port} can be looked up on Linux only");
        return Finding::note("port", text);
    };
    if holders.sockets == 0 {
        return Finding::ok(
            "port",
            format!("no other program on this host uses UDP {port}"),
        );
    }
    let who = match holders.programs.as_slice() {
        [] => "a program that this user may not see (root may)".to_owned(),
        programs => programs.join(", "),
    };
    Finding::note("port", format!("UDP {port} is shared with {who}"))
}
