//! Reports that the host's interfaces may have changed.

#[cfg(target_os = "linux")]
pub(crate) use linux::LinkMonitor;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::LinkMonitor;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR of rtnetlink(7):
    /// interfaces that appear, vanish, go up or down, and their addresses. An interface
    /// that goes down keeps its IPv4 addresses, therefore addresses alone aren't enough.
    const GROUPS: u32 = 0x1 | 0x10 | 0x100;

    /// Notifications of the kernel, by a netlink socket in the network namespace of the
    /// thread that opened it. Their content is ignored: notifications can be lost, and
    /// listing the interfaces is cheap.
    #[derive(Debug)]
    pub(crate) struct LinkMonitor {
        socket: AsyncFd<OwnedFd>,
    }

    impl LinkMonitor {
        /// # Errors
        /// The system refuses such sockets, as some sandboxes do.
        pub(crate) fn open() -> io::Result<Self> {
            let socket = rustix::net::socket_with(
                AddressFamily::NETLINK,
                SocketType::RAW,
                SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
                // Protocol 0 of that family is NETLINK_ROUTE.
                None,
            )?;
            rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
            #[allow(
                deprecated,
                reason = "safe with an OwnedFd, which is that descriptor as long as it lives"
            )]
            let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
            Ok(Self { socket })
        }

        /// Completes when something may have changed. Takes all notifications that have
        /// come.
        ///
        /// # Errors
        /// The socket is broken; no notification will come any more.
        ///
        /// # Cancel safety
        /// No notification is lost when the future is dropped: nothing awaits after the
        /// reading.
        pub(crate) async fn next(&mut self) -> io::Result<()> {
            loop {
                let mut ready = self.socket.readable().await?;
                let mut heard = false;
                // Bounded, in case notifications come faster than they are read.
                for _ in 0..1024 {
                    // Longer notifications are cut: their content is ignored.
                    let mut buffer = [0u8; 64];
                    let socket = self.socket.get_ref();
                    match rustix::net::recv(socket, &mut buffer, RecvFlags::DONTWAIT) {
                        // The queue overflowed, which is a notification, too.
                        Ok(_) | Err(Errno::NOBUFS) => heard = true,
                        Err(Errno::INTR) => {}
                        Err(Errno::AGAIN) => {
                            ready.clear_ready();
                            break;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                if heard {
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;
    use std::time::Duration;

    /// How often to look on systems without notifications: rarely enough to cost
    /// nothing, often enough for a user who changes networks.
    const PERIOD: Duration = Duration::from_secs(10);

    /// Reports a possible change every ten seconds.
    #[derive(Debug)]
    pub(crate) struct LinkMonitor;

    impl LinkMonitor {
        #[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
        pub(crate) fn open() -> io::Result<Self> {
            Ok(Self)
        }

        #[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
        pub(crate) async fn next(&mut self) -> io::Result<()> {
            tokio::time::sleep(PERIOD).await;
            Ok(())
        }
    }
}
