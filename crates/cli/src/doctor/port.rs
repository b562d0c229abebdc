//! Which programs hold a UDP port.

use super::finding::Finding;

/// Says who listens at the port, as far as this user may look. To be asked
/// before there are any sockets of our own.
pub(crate) fn examine(port: u16) -> Finding {
    let Some(holders) = zre_beacon::holders(port) else {
        let text = format!("who holds UDP {port} is looked up on Linux only");
        return Finding::note("port", text);
    };
    if holders.sockets == 0 {
        return Finding::ok("port", format!("nobody else on this host holds UDP {port}"));
    }
    let who = match holders.programs.as_slice() {
        [] => "a program that this user may not see (root may)".to_owned(),
        programs => programs.join(", "),
    };
    Finding::note("port", format!("UDP {port} is shared with {who}"))
}
