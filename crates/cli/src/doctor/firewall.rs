//! Finds firewall rules that may drop beacons or links, if the rules can be read.

use std::io::Read as _;
use std::process::{Command, Stdio};

use super::finding::Finding;

/// The maximum number of bytes that are read from a program.
const LONGEST: u64 = 4 << 20;

/// The maximum number of rules that are shown.
const SHOWN: usize = 12;

/// The commands that list rules, and the directories outside of users' PATH in which
/// distributions install them.
const LISTERS: [(&str, &[&str]); 3] = [
    ("nft", &["list", "ruleset"]),
    ("iptables", &["-S"]),
    ("ip6tables", &["-S"]),
];

/// Reads the rules. Blocks until the programs have ended.
pub(crate) fn examine(port: u16) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut asked = false;
    for (program, arguments) in LISTERS {
        match rules(program, arguments) {
            None => {}
            Some(Err(why)) => {
                asked = true;
                let text = format!("{program} doesn't show its rules: {why} (root may list them)");
                findings.push(Finding::note("firewall", text));
            }
            Some(Ok(rules)) => {
                asked = true;
                let biting = matching_rules(&rules, port);
                for rule in biting.iter().take(SHOWN) {
                    let text =
                        format!("a rule of {program} that may drop beacons or links: {rule}");
                    findings.push(Finding::note("firewall", text));
                }
                if biting.is_empty() {
                    let text = format!("{program} has no rule that drops beacons or links");
                    findings.push(Finding::ok("firewall", text));
                }
            }
        }
    }
    if !asked {
        let text = match cfg!(target_os = "linux") {
            true => "no rules to read: neither nft nor iptables is installed".to_owned(),
            false => format!(
                "the rules of this system aren't read; to {}",
                permission(port)
            ),
        };
        findings.push(Finding::note("firewall", text));
    }
    findings
}

/// The advice for this system how to let beacons in.
pub(crate) fn permission(port: u16) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "zre".into());
    let program = program.display();
    if cfg!(windows) {
        format!(
            "allow this program, as administrator: netsh advfirewall firewall add rule \
             name=zre dir=in action=allow program=\"{program}\""
        )
    } else if cfg!(target_os = "macos") {
        format!(
            "allow this program: sudo /usr/libexec/ApplicationFirewall/socketfilterfw \
             --unblockapp {program}"
        )
    } else if cfg!(target_os = "linux") {
        format!(
            "allow UDP port {port}, as by: nft add rule inet filter input udp dport {port} accept"
        )
    } else {
        format!("allow UDP port {port}, as by in pf.conf: pass in proto udp to port {port}")
    }
}

/// `None` if the program isn't installed.
fn rules(program: &str, arguments: &[&str]) -> Option<Result<String, String>> {
    let places = ["", "/usr/sbin/", "/sbin/"];
    let mut child = places.iter().find_map(|place| {
        Command::new(format!("{place}{program}"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()
    })?;
    let mut text = Vec::new();
    let read = match child.stdout.take() {
        Some(output) => output.take(LONGEST).read_to_end(&mut text).map(drop),
        None => Ok(()),
    };
    Some(match (read, child.wait()) {
        (Ok(()), Ok(status)) if status.success() => Ok(String::from_utf8_lossy(&text).into()),
        (Ok(()), Ok(status)) => Err(status.to_string()),
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    })
}

/// The rules that drop or reject datagrams or connections of ZRE, and the chains that
/// drop by default, each with the name of its chain if the list has one.
fn matching_rules(rules: &str, port: u16) -> Vec<String> {
    let port = port.to_string();
    let mut chain = "";
    let mut biting = Vec::new();
    for line in rules.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("chain ") {
            chain = rest.trim_end_matches([' ', '{']);
        }
        let lower = line.to_ascii_lowercase();
        let words: Vec<&str> = lower
            .split(|c: char| !(c.is_ascii_alphanumeric() || ".:/".contains(c)))
            .filter(|word| !word.is_empty())
            .collect();
        let has = |wanted: &str| words.contains(&wanted);
        if !(has("drop") || has("reject")) || has("output") && has("forward") {
            continue;
        }
        let policy = has("policy") || lower.starts_with("-p ");
        let forwards = has("forward");
        let named = words.iter().any(|word| {
            *word == port
                || ["udp", "tcp", "multicast", "broadcast", "igmp", "pkttype"].contains(word)
                || word.starts_with("224.")
                || word.starts_with("239.")
                || word.starts_with("ff02:")
                || word.starts_with("ff00:")
        });
        // A rule without a condition drops everything that reaches it.
        let all = words.len() <= 2 || lower.starts_with("counter ") && !has("dport");
        if !forwards && (policy || named || all) {
            biting.push(match chain {
                "" => line.to_owned(),
                chain => format!("{line} (chain {chain})"),
            });
        }
    }
    biting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_drop_what_zre_needs_are_found() {
        let nft = "table inet filter {\n\
             \tchain input {\n\
             \t\ttype filter hook input priority filter; policy drop;\n\
             \t\tudp dport 5670 accept\n\
             \t\tmeta pkttype multicast drop\n\
             \t\tct state invalid drop\n\
             \t}\n\
             \tchain forward {\n\
             \t\ttype filter hook forward priority filter; policy drop;\n\
             \t}\n\
             \tchain output {\n\
             \t\tip daddr 239.0.0.0/8 counter packets 0 bytes 0 drop\n\
             \t}\n}";
        assert_eq!(
            matching_rules(nft, 5670),
            [
                "type filter hook input priority filter; policy drop; (chain input)",
                "meta pkttype multicast drop (chain input)",
                "ip daddr 239.0.0.0/8 counter packets 0 bytes 0 drop (chain output)",
            ]
        );
        let iptables = "-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n\
             -A INPUT -p udp -m udp --dport 5670 -j DROP\n-A INPUT -s 10.1.1.1/32 -j REJECT\n";
        assert_eq!(
            matching_rules(iptables, 5670),
            [
                "-P INPUT DROP",
                "-A INPUT -p udp -m udp --dport 5670 -j DROP"
            ]
        );
        assert_eq!(matching_rules("", 5670), [""; 0]);
    }
}
