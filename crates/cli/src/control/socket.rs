//! The file of a control socket.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr as UnixSocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ControlError;

/// The file of a socket that listens. Dropping it removes the file, unless another
/// file has replaced it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl SocketFile {
    /// Listens at the path, for this user alone (mode 0600). Replaces a socket at
    /// which no process listens any more.
    ///
    /// # Errors
    /// Another process listens there, the path is another kind of file, or the system
    /// refuses.
    pub(crate) fn create(path: &Path) -> Result<(Self, UnixListener), ControlError> {
        let refused = |source| ControlError::Socket {
            path: path.to_owned(),
            source,
        };
        // Such a long path could be created by the rename below, but not connected to.
        UnixSocketAddr::from_pathname(path).map_err(refused)?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Two nodes that start at once take turns. If the directory can't be locked,
        // the second one still sees the socket of the first, a moment later.
        let lock = lock(directory);
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
            Ok(there) if !there.file_type().is_socket() => {
                return Err(ControlError::Taken(path.to_owned()));
            }
            Ok(_) => match UnixStream::connect(path) {
                Ok(_) => return Err(ControlError::Live(path.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(refused(error)),
            },
        }
        let listener = bind(directory, path).map_err(refused)?;
        drop(lock);
        let socket = Self {
            path: path.to_owned(),
            file: fs::symlink_metadata(path).ok().as_ref().map(identity),
        };
        Ok((socket, listener))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| Some(identity(&there)) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Locks a directory, unless another process keeps it locked for half a second.
fn lock(directory: &Path) -> Option<File> {
    let file = File::open(directory).ok()?;
    for _ in 0..50 {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(fs::TryLockError::Error(_)) => return None,
        }
    }
    None
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Binds in a directory that other users can't enter, and whose name they can't guess:
/// the socket never has too many permissions at its final path, and no other user can
/// create the directory first.
fn bind(directory: &Path, path: &Path) -> io::Result<UnixListener> {
    // Its mode is 0700.
    let hidden = tempfile::Builder::new()
        .prefix(".z")
        .tempdir_in(directory)?;
    let socket = hidden.path().join("s");
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
    fs::rename(&socket, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        drop(UnixListener::bind(&path).unwrap());
        let (socket, listener) = SocketFile::create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(
            SocketFile::create(&path),
            Err(ControlError::Live(_))
        ));
        assert!(UnixStream::connect(&path).is_ok());
        drop((socket, listener));
        assert!(!path.exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn another_users_directory_is_not_in_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let guess = format!(".z{}", std::process::id());
        fs::create_dir(directory.path().join(guess)).unwrap();
        assert!(SocketFile::create(&directory.path().join("control")).is_ok());
    }

    #[test]
    fn a_path_that_is_too_long_to_connect_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x".repeat(108));
        assert!(matches!(
            SocketFile::create(&path),
            Err(ControlError::Socket { .. })
        ));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn other_files_at_the_path_are_never_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(
            SocketFile::create(&path),
            Err(ControlError::Taken(_))
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        let (socket, _listener) = SocketFile::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "new").unwrap();
        drop(socket);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
