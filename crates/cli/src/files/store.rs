//! A file that is being received.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::packet::Id;

/// How many bytes are read at once for the checksum.
const PIECE: usize = 256 * 1024;

/// Why a file isn't accepted, or no longer. The text is sent to the sender, and
/// therefore must not contain our directories.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("there is another file of that name already")]
    Exists,
    #[error("there is something else in the place of its directory")]
    NotADirectory,
    #[error("what came has another checksum than what was offered: it may have changed meanwhile")]
    Checksum,
    #[error("it can't be written here: {0}")]
    Io(#[from] io::Error),
}

/// The received part of a file.
#[derive(Debug)]
pub(super) struct Store {
    id: Id,
    size: u64,
    directory: PathBuf,
    name: String,
    part: PathBuf,
    target: PathBuf,
    overwrite: bool,
    file: File,
    hash: Sha256,
    written: u64,
}

/// The result of opening the file of an offer.
#[derive(Debug)]
pub(super) enum Opened {
    /// The file is present and complete.
    Complete,
    /// The rest of the file is missing.
    Begun(Box<Store>),
}

impl Store {
    /// Resumes a partly received file, or creates it. `name` is a path below `directory`;
    /// the directories in it are created once the file is complete.
    ///
    /// # Errors
    /// Another file has this name, or the directory can't be used.
    pub(super) fn open(
        directory: &Path,
        name: &str,
        id: Id,
        size: u64,
        overwrite: bool,
    ) -> Result<Opened, StoreError> {
        let target = directory.join(name);
        check_directories(directory, name)?;
        if let Ok(there) = fs::symlink_metadata(&target) {
            let same = there.is_file() && there.len() == size && id == hash(&target, |_| {})?;
            if same {
                return Ok(Opened::Complete);
            }
            if !overwrite || !there.is_file() {
                return Err(StoreError::Exists);
            }
        }
        let short = id.as_str().get(..32).unwrap_or_default();
        let part = directory.join(format!(".zre-{short}.part"));
        match fs::symlink_metadata(&part) {
            Ok(there) if !there.is_file() => return Err(StoreError::Exists),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)?;
        // Data longer than the file can't be a part of it.
        if file.metadata()?.len() > size {
            file.set_len(0)?;
        }
        let (hash, written) = digest(&mut file, |_| {})?;
        file.seek(SeekFrom::Start(written))?;
        Ok(Opened::Begun(Box::new(Self {
            id,
            size,
            directory: directory.to_owned(),
            name: name.to_owned(),
            part,
            target,
            overwrite,
            file,
            hash,
            written,
        })))
    }

    /// The offset at which the missing rest begins.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn is_complete(&self) -> bool {
        self.written == self.size
    }

    /// Appends bytes. False if they don't continue the file.
    ///
    /// # Errors
    /// The bytes can't be written. The data is deleted then: on a full disk, it would leave
    /// no room for a smaller file.
    pub(super) fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<bool, StoreError> {
        let left = self.size - self.written;
        if offset != self.written || bytes.len() as u64 > left {
            return Ok(false);
        }
        if let Err(error) = self.file.write_all(bytes) {
            fs::remove_file(&self.part)?;
            return Err(error.into());
        }
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        Ok(true)
    }

    /// Gives the complete file its name, and returns its path.
    ///
    /// # Errors
    /// The checksum is wrong (then the data is deleted), another file has got the name
    /// meanwhile, or the system refuses.
    pub(super) fn finish(self) -> Result<PathBuf, StoreError> {
        if Id::of(&self.hash.finalize()) != self.id {
            drop(self.file);
            fs::remove_file(&self.part)?;
            return Err(StoreError::Checksum);
        }
        if let Err(error) = self.file.sync_all() {
            fs::remove_file(&self.part)?;
            return Err(error.into());
        }
        drop(self.file);
        check_directories(&self.directory, &self.name)?;
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent)?;
        }
        if !self.overwrite {
            // Creates the name unless it exists: a rename alone would overwrite an
            // existing file.
            let taken = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&self.target);
            if let Err(error) = taken {
                return Err(match error.kind() {
                    io::ErrorKind::AlreadyExists => StoreError::Exists,
                    _ => error.into(),
                });
            }
        }
        fs::rename(&self.part, &self.target)?;
        Ok(self.target)
    }
}

/// Refuses a path on which anything but directories lies before its last part: a symbolic
/// link may lead out of the directory.
fn check_directories(directory: &Path, name: &str) -> Result<(), StoreError> {
    let below = Path::new(name).parent().into_iter().flatten();
    let mut path = directory.to_owned();
    for part in below {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(there) if !there.is_dir() => return Err(StoreError::NotADirectory),
            _ => {}
        }
    }
    Ok(())
}

/// The checksum of a file. Reports the progress to `read`.
///
/// # Errors
/// The file can't be read.
pub(super) fn hash(path: &Path, read: impl FnMut(u64)) -> io::Result<Id> {
    let (hash, _) = digest(&mut File::open(path)?, read)?;
    Ok(Id::of(&hash.finalize()))
}

fn digest(file: &mut File, mut read: impl FnMut(u64)) -> io::Result<(Sha256, u64)> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut length = 0;
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((hash, length)),
            count => {
                hash.update(piece.get(..count).unwrap_or_default());
                length += count as u64;
                read(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"what is in the file";

    fn begin(directory: &Path, overwrite: bool) -> Result<Opened, StoreError> {
        let id = Id::of(&Sha256::digest(TEXT));
        Store::open(directory, "name", id, TEXT.len() as u64, overwrite)
    }

    fn begun(directory: &Path) -> Store {
        match begin(directory, false).unwrap() {
            Opened::Begun(store) => *store,
            Opened::Complete => panic!("it isn't complete"),
        }
    }

    #[test]
    fn a_file_is_resumed_where_it_broke_off() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = begun(directory.path());
        assert!(store.append(0, &TEXT[..5]).unwrap());
        assert!(
            !store.append(4, &TEXT[4..6]).unwrap(),
            "there is some of it"
        );
        assert!(!store.append(5, &[b'x'; 100]).unwrap(), "more than it has");
        drop(store);
        let mut store = begun(directory.path());
        assert_eq!(store.written(), 5);
        assert!(store.append(5, &TEXT[5..]).unwrap());
        assert!(store.is_complete());
        let path = store.finish().unwrap();
        assert_eq!(fs::read(path).unwrap(), TEXT);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(matches!(
            begin(directory.path(), false),
            Ok(Opened::Complete)
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_directory_leads_nowhere() {
        let (directory, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open = |name| {
            let id = Id::of(&Sha256::digest(TEXT));
            Store::open(directory.path(), name, id, TEXT.len() as u64, true)
        };
        std::os::unix::fs::symlink(outside.path(), directory.path().join("link")).unwrap();
        for name in ["link/name", "link/a/name"] {
            assert!(matches!(open(name), Err(StoreError::NotADirectory)));
        }
        // The link appears while the file comes in.
        let Ok(Opened::Begun(mut store)) = open("later/name") else {
            panic!("there is room for it");
        };
        assert!(store.append(0, TEXT).unwrap());
        std::os::unix::fs::symlink(outside.path(), directory.path().join("later")).unwrap();
        assert!(matches!(store.finish(), Err(StoreError::NotADirectory)));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    #[cfg(target_os = "linux")] // `/dev/full` is a disk without room.
    fn nothing_stays_on_a_full_disk() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = begun(directory.path());
        assert!(store.append(0, &TEXT[..5]).unwrap());
        store.file = File::options().write(true).open("/dev/full").unwrap();
        let error = store.append(5, &TEXT[5..]).unwrap_err();
        assert!(
            matches!(&error, StoreError::Io(error) if error.kind() == io::ErrorKind::StorageFull)
        );
        drop(store);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn files_are_overwritten_only_on_request_and_wrong_data_is_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("name");
        // Another takes the name while the file comes in.
        let mut store = begun(directory.path());
        assert!(store.append(0, TEXT).unwrap());
        fs::write(&target, "precious").unwrap();
        assert!(matches!(store.finish(), Err(StoreError::Exists)));
        assert!(matches!(
            begin(directory.path(), false),
            Err(StoreError::Exists)
        ));
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        let Ok(Opened::Begun(store)) = begin(directory.path(), true) else {
            panic!("it may be overwritten");
        };
        assert!(store.is_complete(), "it was there before");
        store.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), TEXT);

        fs::remove_file(&target).unwrap();
        let mut store = begun(directory.path());
        let wrong: Vec<u8> = TEXT.iter().map(|byte| byte ^ 1).collect();
        assert!(store.append(0, &wrong).unwrap());
        assert!(matches!(store.finish(), Err(StoreError::Checksum)));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
