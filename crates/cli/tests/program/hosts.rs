//! Two hosts with a cable between them, each a network namespace.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// They can reach each other and nothing else. Dropping it removes both.
pub(crate) struct Hosts {
    names: [String; 2],
}

/// The addresses of both.
pub(crate) const ADDRS: [&str; 2] = ["10.79.0.1", "10.79.0.2"];

impl Hosts {
    /// None, with the reason on standard error, where there can be none. On CI
    /// that is a failure.
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    pub(crate) fn new() -> Option<Self> {
        match Self::build() {
            Ok(hosts) => Some(hosts),
            Err(why) => {
                let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
                assert!(!ci, "skipped on CI: {why}");
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    fn build() -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            return Err("network namespaces need root".into());
        }
        run("nft", &["--version"])?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let stem = format!("zd{}-{number}", std::process::id());
        let hosts = Self {
            names: ["a", "b"].map(|letter| format!("{stem}{letter}")),
        };
        let [a, b] = &hosts.names;
        ip(&format!("netns add {a}"))?;
        ip(&format!("netns add {b}"))?;
        ip(&format!(
            "-n {a} link add eth0 type veth peer name eth0 netns {b}"
        ))?;
        for (name, addr) in hosts.names.iter().zip(ADDRS) {
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!(
                "-n {name} addr add {addr}/24 broadcast 10.79.0.255 dev eth0"
            ))?;
            ip(&format!("-n {name} link set eth0 addrgenmode none up"))?;
        }
        Ok(hosts)
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// Runs `ip` with these arguments on a host.
    pub(crate) fn ip(&self, index: usize, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.names[index])).expect("ip takes it");
    }

    /// A firewall rule on a host, in the chain `input` or `output`.
    pub(crate) fn rule(&self, index: usize, chain: &str, rule: &str) {
        let nft = |arguments: String| {
            let words = format!("netns exec {} nft {arguments}", self.names[index]);
            ip(&words).expect("the rule is taken");
        };
        nft("add table inet t".into());
        nft(format!(
            "add chain inet t {chain} {{ type filter hook {chain} priority 0 ; }}"
        ));
        nft(format!("add rule inet t {chain} {rule}"));
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn ip(words: &str) -> Result<(), String> {
    run("ip", &words.split_whitespace().collect::<Vec<_>>())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("the command `{program}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {arguments:?}: {}", complaint.trim()))
}
