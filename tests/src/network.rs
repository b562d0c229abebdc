//! Hosts on a bridge, each a network namespace.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// One host: a network namespace with the interface `eth0`.
pub struct Host {
    namespace: String,
    address: String,
}

impl Host {
    /// The name of its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The address of its `eth0`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Runs `ip` with these arguments, separated by spaces, on this host.
    ///
    /// # Panics
    /// If that fails.
    pub fn ip(&self, arguments: &str) {
        let arguments = arguments.split_whitespace();
        let all: Vec<&str> = ["-n", &self.namespace]
            .into_iter()
            .chain(arguments)
            .collect();
        ip(&all).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Runs a program on this host, until the answer is dropped.
    pub fn run(&self, program: &str, arguments: &[&str]) -> std::io::Result<Daemon> {
        let child = Command::new("ip")
            .args(["netns", "exec", &self.namespace, program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Daemon(child))
    }

    /// Takes its cable out, or puts it back.
    pub fn set_link(&self, up: bool) {
        let state = if up { "up" } else { "down" };
        ip(&["-n", &self.namespace, "link", "set", "eth0", state])
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A program that runs on a host. Dropping it kills it.
pub struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Some hosts on one bridge. They can reach each other and nothing else.
/// Dropping it removes all of it.
pub struct Network {
    hub: String,
    hosts: Vec<Host>,
}

impl Network {
    /// `count` hosts, 10.78.0.1 and fe80::78:1 and up, broadcast address
    /// 10.78.0.255; or why there can be none here.
    pub fn of(count: u8) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            return Err("network namespaces need root".into());
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let stem = format!("zt{}-{number}", std::process::id());
        let mut network = Self {
            hub: format!("{stem}-hub"),
            hosts: Vec::new(),
        };
        ip(&["netns", "add", &network.hub])?;
        network.build(&stem, count)?;
        Ok(network)
    }

    /// A second cable between two hosts, which bears this name on both: theirs
    /// are the addresses `subnet`.1 and `subnet`.2.
    pub fn connect(&self, one: usize, other: usize, name: &str, subnet: &str) {
        let (one, other) = (self.host(one), self.host(other));
        let peer = other.namespace();
        one.ip(&format!(
            "link add {name} type veth peer name {name} netns {peer}"
        ));
        for (number, host) in [(1, one), (2, other)] {
            host.ip(&format!(
                "addr add {subnet}.{number}/24 broadcast {subnet}.255 dev {name}"
            ));
            host.ip(&format!("link set {name} up"));
        }
    }

    /// Runs `ip` with these arguments, separated by spaces, in the namespace of the
    /// bridge `br0` and its ports `p1` and up.
    ///
    /// # Panics
    /// If that fails.
    pub fn hub(&self, arguments: &str) {
        let arguments = arguments.split_whitespace();
        let all: Vec<&str> = ["-n", &self.hub].into_iter().chain(arguments).collect();
        ip(&all).unwrap_or_else(|error| panic!("{error}"));
    }

    /// The name of the bridge's namespace.
    pub fn hub_namespace(&self) -> &str {
        &self.hub
    }

    /// Host number `index`, from 0.
    pub fn host(&self, index: usize) -> &Host {
        &self.hosts[index]
    }

    fn build(&mut self, stem: &str, count: u8) -> Result<(), String> {
        let hub = self.hub.clone();
        ip(&["-n", &hub, "link", "add", "br0", "type", "bridge"])?;
        // A snooping bridge without a querier drops groups after a while.
        let snooping = ["type", "bridge", "mcast_snooping", "0"];
        ip(&[&["-n", &hub, "link", "set", "br0"], &snooping[..]].concat())?;
        ip(&["-n", &hub, "link", "set", "br0", "up"])?;
        for number in 1..=count {
            let namespace = format!("{stem}-h{number}");
            let address = format!("10.78.0.{number}");
            let cidr = format!("{address}/24");
            let port = format!("p{number}");
            ip(&["netns", "add", &namespace])?;
            self.hosts.push(Host {
                namespace: namespace.clone(),
                address,
            });
            let veth = ["type", "veth", "peer", "name", "eth0", "netns", &namespace];
            ip(&[&["-n", &hub, "link", "add", &port], &veth[..]].concat())?;
            ip(&["-n", &hub, "link", "set", &port, "master", "br0", "up"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            let address = ["add", &cidr, "broadcast", "10.78.0.255", "dev", "eth0"];
            ip(&[&["-n", &namespace, "addr"], &address[..]].concat())?;
            // A link-local address that is in use at once: one that the kernel
            // makes up has to be probed first, which takes it a second or two.
            let scoped = format!("fe80::78:{number}/64");
            let eth0 = ["-n", &namespace, "link", "set", "eth0"];
            ip(&[&eth0[..], &["addrgenmode", "none"]].concat())?;
            ip(&[&eth0[..], &["up"]].concat())?;
            let address = ["add", &scoped, "dev", "eth0", "nodad"];
            ip(&[&["-n", &namespace, "addr"], &address[..]].concat())?;
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = ip(&["netns", "del", &host.namespace]);
        }
        let _ = ip(&["netns", "del", &self.hub]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("the command `ip` (iproute2): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", arguments.join(" "), complaint.trim()))
}
