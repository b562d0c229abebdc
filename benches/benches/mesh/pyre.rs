//! pyre in two network namespaces with a cable between them, which are made
//! for it: it refuses the loopback interface.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::measure::process::{MeasureError, Process};

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// The namespaces, and a python that has pyre.
pub(crate) struct Pyre {
    hosts: [String; 2],
    python: PathBuf,
}

impl Pyre {
    /// # Errors
    /// What is missing, in words.
    pub(crate) fn new() -> Result<Pyre, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("network namespaces need root".to_owned());
        }
        let python = python()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let stem = format!("zre-mesh-{}-{number}", std::process::id());
        let pyre = Pyre {
            hosts: [format!("{stem}-a"), format!("{stem}-b")],
            python,
        };
        // What was made goes with `pyre`, also when a step fails.
        let [a, b] = &pyre.hosts;
        ip(&["netns", "add", a])?;
        ip(&["netns", "add", b])?;
        let cable = [
            "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b,
        ];
        ip(&[&["-n", a][..], &cable].concat())?;
        for (host, addr) in pyre.hosts.iter().zip(["10.78.0.1/24", "10.78.0.2/24"]) {
            ip(&[
                "-n",
                host,
                "addr",
                "add",
                addr,
                "broadcast",
                "10.78.0.255",
                "dev",
                "eth0",
            ])?;
            ip(&["-n", host, "link", "set", "lo", "up"])?;
            ip(&["-n", host, "link", "set", "eth0", "up"])?;
        }
        Ok(pyre)
    }

    pub(crate) fn child(
        &self,
        host: usize,
        role: &str,
        size: usize,
        frames: usize,
        count: usize,
    ) -> Result<Process, MeasureError> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mesh/pyre_child.py");
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.hosts[host]])
            .arg(&self.python)
            .arg(script)
            .arg(role)
            .args([size, frames, count].map(|n| n.to_string()));
        Process::start(&mut command)
    }
}

impl Drop for Pyre {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = ip(&["netns", "del", host]);
        }
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let done = Command::new("ip")
        .args(args)
        .output()
        .map_err(|_| "the command `ip` (iproute2) is missing".to_owned())?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&done.stderr).trim()
        )),
    }
}

/// `ZRE_BENCH_PYTHON`, or the one that the interop suite has made below the
/// build directory.
fn python() -> Result<PathBuf, String> {
    if let Some(python) = std::env::var_os("ZRE_BENCH_PYTHON") {
        return Ok(python.into());
    }
    let program = std::env::current_exe().unwrap_or_default();
    program
        .ancestors()
        .map(|dir| dir.join("interop/python/bin/python"))
        .find(|python| python.exists())
        .ok_or_else(|| {
            "no python with zeromq-pyre: run tests/interop/run.py, or name one in \
             ZRE_BENCH_PYTHON"
                .to_owned()
        })
}
