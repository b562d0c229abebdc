//! The directory in which nodes of one user, on one host, find each other's
//! sockets.

use std::path::{Path, PathBuf};

use crate::{Identity, IpcDir};

#[cfg(not(unix))]
pub(crate) use elsewhere::*;
#[cfg(unix)]
pub(crate) use unix::*;

/// A directory that is ours and closed to others.
#[derive(Clone, Debug)]
pub(crate) struct IpcHome {
    dir: PathBuf,
}

impl IpcHome {
    /// The path of the socket of a node.
    fn socket(&self, identity: &Identity) -> PathBuf {
        self.dir.join(format!("{identity}.sock"))
    }
}

#[cfg(unix)]
mod unix {
    use std::collections::BTreeSet;
    use std::ffi::OsString;
    use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
    use std::os::unix::net::UnixListener;
    use std::sync::{Mutex, PoisonError};

    use super::{Identity, IpcDir, IpcHome, Path, PathBuf};

    /// The longest path that fits a socket address on Linux, without its
    /// trailing NUL; the BSDs have 103.
    const PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

    /// How often to create a lock file again that its last owner has just removed, and to
    /// try one that is locked: a node that sweeps holds it for a moment.
    const ATTEMPTS: usize = 16;

    /// How many names of others a process looks at when its first node starts. Each costs a
    /// few system calls, and the rest is left to the processes that start after it.
    const SWEPT: usize = 128;

    /// The directories that this process has swept: once is enough, and thousands of nodes
    /// in a process needn't look at each other's names.
    static SWEPT_DIRS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

    /// Our socket in the directory. Dropping it closes the listener and removes
    /// the socket and the lock file.
    pub(crate) struct IpcSocket {
        listener: UnixListener,
        name: IpcName,
    }

    /// Our name in the directory: while we hold it, nobody else takes it.
    pub(crate) struct IpcName {
        socket: PathBuf,
        lock: PathBuf,
        /// Locked; the lock goes with the file.
        _file: File,
    }

    impl IpcHome {
        /// Opens the directory, and creates it if it is missing.
        ///
        /// # Errors
        /// Why it can't be used, in words.
        pub(crate) fn open(dir: &IpcDir) -> Result<Self, String> {
            let dir = match dir {
                IpcDir::Off => return Err("ipc is turned off".to_owned()),
                IpcDir::Path(dir) => dir.clone(),
                IpcDir::Auto => automatic(std::env::var_os("XDG_RUNTIME_DIR")),
            };
            let home = Self { dir };
            match DirBuilder::new().mode(0o700).create(&home.dir) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("can't create {}: {error}", home.dir.display())),
            }
            home.check()?;
            Ok(home)
        }

        /// Checks that the directory is a real one, ours, and closed to others.
        pub(crate) fn check(&self) -> Result<(), String> {
            let dir = self.dir.display();
            let meta = std::fs::symlink_metadata(&self.dir)
                .map_err(|error| format!("can't inspect {dir}: {error}"))?;
            if !meta.is_dir() {
                return Err(format!("{dir} is not a directory"));
            }
            let own = rustix::process::geteuid().as_raw();
            if meta.uid() != own {
                return Err(format!(
                    "{dir} belongs to user {}, not to {own}",
                    meta.uid()
                ));
            }
            let mode = meta.mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(format!("{dir} is open to others: mode {mode:o}, not 700"));
            }
            Ok(())
        }

        /// Listens under our name.
        ///
        /// # Errors
        /// Why that isn't possible, in words.
        pub(crate) fn listen(&self, identity: &Identity) -> Result<IpcSocket, String> {
            let socket = self.socket(identity);
            if !fits(&socket) {
                return Err(format!(
                    "{} is longer than the {PATH_BYTES} bytes of a socket's address",
                    socket.display()
                ));
            }
            let name = IpcName::take(socket)?;
            let socket = &name.socket;
            let in_words =
                |error: io::Error| format!("can't listen at {}: {error}", socket.display());
            // We hold the lock: the owner of this socket is gone.
            match std::fs::remove_file(socket) {
                Ok(()) => tracing::debug!(path = %socket.display(), "removed a stale socket"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(in_words(error)),
            }
            let listener = UnixListener::bind(socket).map_err(in_words)?;
            listener.set_nonblocking(true).map_err(in_words)?;
            let mut swept = SWEPT_DIRS.lock().unwrap_or_else(PoisonError::into_inner);
            let first = swept.insert(self.dir.clone());
            drop(swept);
            if first {
                self.sweep(identity);
            }
            Ok(IpcSocket { listener, name })
        }

        /// Removes what nodes have left that were killed. Whoever takes a name by its lock
        /// knows that its last owner is gone.
        fn sweep(&self, ours: &Identity) {
            let ours = self.socket(ours);
            let files = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
            let sockets = files.map(|file| file.path().with_extension("sock"));
            let others = sockets.filter(|socket| *socket != ours && is_ours(socket));
            for socket in others.take(SWEPT) {
                if let Ok(name) = IpcName::lock(socket, 1) {
                    tracing::debug!(path = %name.socket.display(), "removed a dead node's socket");
                    // Dropping it removes both files.
                    drop(name);
                }
            }
        }

        /// The socket of a peer, if there is one that we may trust.
        pub(crate) fn find(&self, peer: &Identity) -> Option<PathBuf> {
            let path = self.socket(peer);
            let is_socket =
                std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_socket());
            if !is_socket || !fits(&path) {
                return None;
            }
            // Looked at again for each peer: the directory may have changed.
            match self.check() {
                Ok(()) => Some(path),
                Err(reason) => {
                    tracing::debug!(%reason, "ipc not used");
                    None
                }
            }
        }
    }

    impl IpcSocket {
        /// Its path.
        pub(crate) fn path(&self) -> &Path {
            &self.name.socket
        }

        /// The listener, which must be closed before the name is dropped.
        pub(crate) fn into_parts(self) -> (UnixListener, IpcName) {
            (self.listener, self.name)
        }
    }

    impl IpcName {
        /// Takes the name, by locking the file beside the socket.
        fn take(socket: PathBuf) -> Result<Self, String> {
            Self::lock(socket, ATTEMPTS)
        }

        fn lock(socket: PathBuf, attempts: usize) -> Result<Self, String> {
            let lock = socket.with_extension("lock");
            let in_words = |error: io::Error| format!("can't lock {}: {error}", lock.display());
            for attempt in 1..=attempts {
                let file = OpenOptions::new()
                    .create(true)
                    .truncate(false)
                    .read(true)
                    .write(true)
                    .mode(0o600)
                    .custom_flags(nofollow())
                    .open(&lock)
                    .map_err(in_words)?;
                match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) if attempt < attempts => {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                        continue;
                    }
                    Err(TryLockError::WouldBlock) => {
                        return Err(format!(
                            "{} is locked: a node of this identity is running",
                            lock.display()
                        ));
                    }
                    Err(TryLockError::Error(error)) => return Err(in_words(error)),
                }
                // Its last owner may have removed the file after we opened it: then
                // others will find another file than the one that we have locked.
                let ours = file.metadata().map_err(in_words)?;
                let there = std::fs::symlink_metadata(&lock);
                if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
                    return Ok(Self {
                        socket,
                        lock,
                        _file: file,
                    });
                }
            }
            Err(format!("{} keeps vanishing", lock.display()))
        }
    }

    impl Drop for IpcName {
        fn drop(&mut self) {
            // Both while the lock is held. Missing files are fine.
            let _ = std::fs::remove_file(&self.socket);
            let _ = std::fs::remove_file(&self.lock);
        }
    }

    /// Whether a file is called as nodes call their sockets.
    fn is_ours(socket: &Path) -> bool {
        let name = socket.file_stem().unwrap_or_default().to_str();
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(|c| c.is_ascii_hexdigit()))
    }

    fn nofollow() -> i32 {
        rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
    }

    fn fits(path: &Path) -> bool {
        path.as_os_str().len() <= PATH_BYTES
    }

    /// The directory of this user's nodes, if nobody configures one.
    fn automatic(named: Option<OsString>) -> PathBuf {
        let uid = rustix::process::geteuid().as_raw();
        let named = named
            .map(PathBuf::from)
            // The specification says to ignore a relative one.
            .filter(|dir| dir.is_absolute());
        named
            .into_iter()
            .chain([PathBuf::from(format!("/run/user/{uid}"))])
            // Not another user's, whose environment we may have inherited.
            .find(|dir| std::fs::metadata(dir).is_ok_and(|meta| meta.is_dir() && meta.uid() == uid))
            .map_or_else(
                || std::env::temp_dir().join(format!("zre-{uid}")),
                |dir| dir.join("zre"),
            )
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_environment_names_a_directory_that_has_to_be_there() {
            let dir = tempfile::tempdir().unwrap();
            let named = Some(dir.path().as_os_str().to_owned());
            assert_eq!(automatic(named), dir.path().join("zre"));
            let missing = dir.path().join("missing");
            let fallback = automatic(None);
            assert_eq!(automatic(Some(missing.into())), fallback);
            assert_eq!(automatic(Some("relative".into())), fallback);
            let uid = rustix::process::geteuid().as_raw();
            assert!(
                fallback.ends_with(format!("zre-{uid}"))
                    || fallback.ends_with(format!("run/user/{uid}/zre"))
            );
        }

        #[test]
        fn what_dead_nodes_have_left_is_removed_and_nothing_else() {
            let dir = tempfile::tempdir().unwrap();
            let home = IpcHome::open(&IpcDir::Path(dir.path().join("zre"))).unwrap();
            let identity = |byte: u8| Identity::try_from(&[1, byte][..]).unwrap();
            let leave = |bytes: std::ops::Range<u8>| {
                for byte in bytes {
                    // As a node that was killed leaves them.
                    let socket = home.socket(&identity(byte));
                    drop(UnixListener::bind(&socket).unwrap());
                    std::fs::write(socket.with_extension("lock"), "").unwrap();
                }
            };
            leave(2..20);
            // The first node of a process sweeps.
            let alive = home.listen(&identity(1)).unwrap();
            assert!((2..20).all(|byte| home.find(&identity(byte)).is_none()));
            leave(2..50);
            std::fs::write(home.dir.join("notes.sock"), "").unwrap();
            // Several processes at once, as when a machine starts.
            let nodes: Vec<_> = (100..104)
                .map(|byte| {
                    let (home, identity) = (home.clone(), identity(byte));
                    std::thread::spawn(move || {
                        let node = home.listen(&identity).unwrap();
                        home.sweep(&identity);
                        node
                    })
                })
                .collect();
            let nodes: Vec<_> = nodes.into_iter().map(|node| node.join().unwrap()).collect();
            drop(home.listen(&identity(200)).unwrap());
            assert!(home.find(&identity(1)).is_some());
            assert!((100..104).all(|byte| home.find(&identity(byte)).is_some()));
            let left = std::fs::read_dir(&home.dir).unwrap().count();
            assert_eq!(left, 2 * (1 + nodes.len()) + 1);
            drop(alive);
        }

        #[test]
        fn a_name_is_free_again_when_its_holder_is_gone() {
            let dir = tempfile::tempdir().unwrap();
            let home = IpcHome::open(&IpcDir::Path(dir.path().join("zre"))).unwrap();
            let identity = Identity::try_from(&[1, 2, 3][..]).unwrap();
            for _ in 0..3 {
                let first = home.listen(&identity).unwrap();
                assert!(home.find(&identity).is_some());
                assert!(home.listen(&identity).is_err());
                drop(first);
                assert!(home.find(&identity).is_none());
            }
        }
    }
}

/// On systems without unix sockets that we can use, tcp is used.
#[cfg(not(unix))]
mod elsewhere {
    use super::{Identity, IpcDir, IpcHome, Path, PathBuf};

    pub(crate) enum IpcSocket {}

    impl IpcHome {
        pub(crate) fn open(_: &IpcDir) -> Result<Self, String> {
            Err("ipc isn't available on this system".to_owned())
        }

        pub(crate) fn listen(&self, identity: &Identity) -> Result<IpcSocket, String> {
            Err(format!(
                "{} isn't available on this system",
                self.socket(identity).display()
            ))
        }

        pub(crate) fn find(&self, _: &Identity) -> Option<PathBuf> {
            None
        }
    }

    impl IpcSocket {
        pub(crate) fn path(&self) -> &Path {
            match *self {}
        }
    }
}
