//! The file of a control socket.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr as UnixSocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ControlError;

/// A socket that listens at a path. Dropping it removes the file, unless
/// another has taken its place.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl Place {
    /// Listens at the path, for this user alone (mode 0600). A socket that
    /// nobody listens at any more is replaced.
    ///
    /// # Errors
    /// Somebody listens there, something else is there, or the system refuses.
    pub(crate) fn take(path: &Path) -> Result<(Self, UnixListener), ControlError> {
        let refused = |source| ControlError::Place {
            path: path.to_owned(),
            source,
        };
        // It could be made, and nobody could connect.
        UnixSocketAddr::from_pathname(path).map_err(refused)?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Two that start at once take turns. Where the directory can't be
        // locked, the second still sees the first, a moment later.
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
        let place = Self {
            path: path.to_owned(),
            file: fs::symlink_metadata(path).ok().as_ref().map(identity),
        };
        Ok((place, listener))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| Some(identity(&there)) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Locks a directory, unless somebody else keeps it locked for long.
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

/// Binds where nobody else can look, so that the socket is never at its path
/// with more permissions than it should have.
fn bind(directory: &Path, path: &Path) -> io::Result<UnixListener> {
    let hidden = directory.join(format!(".z{}", std::process::id()));
    fs::create_dir(&hidden)?;
    let result = (|| {
        fs::set_permissions(&hidden, Permissions::from_mode(0o700))?;
        let socket = hidden.join("s");
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
        fs::rename(&socket, path)?;
        Ok(listener)
    })();
    let _ = fs::remove_dir_all(&hidden);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        drop(UnixListener::bind(&path).unwrap());
        let (place, listener) = Place::take(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(Place::take(&path), Err(ControlError::Live(_))));
        assert!(UnixStream::connect(&path).is_ok());
        drop((place, listener));
        assert!(!path.exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_nobody_can_connect_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x".repeat(108));
        assert!(matches!(
            Place::take(&path),
            Err(ControlError::Place { .. })
        ));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_socket_and_what_is_somebody_else_s_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Place::take(&path), Err(ControlError::Taken(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        let (place, _listener) = Place::take(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "new").unwrap();
        drop(place);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
