//! The files to send.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};
use walkdir::WalkDir;

use super::packet::{CHUNK, Id, Packet};
use super::store::hash;
use crate::bars::Bars;
use crate::failure::Failure;
use crate::text::shown;

/// How many pieces of the file may be read in advance.
const AHEAD: usize = 8;

/// The argument that stands for standard input.
const STDIN: &str = "-";

/// Why a file can't be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum CargoError {
    #[error("{path:?} can't be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{0:?} isn't a file or a directory")]
    NotAFile(PathBuf),
    #[error("there is no file in the directory {0:?}")]
    Empty(PathBuf),
    #[error("the path {0:?} is too long to be sent")]
    LongPath(String),
    #[error("standard input can't be copied to a temporary file: {0}")]
    Stdin(io::Error),
}

impl From<CargoError> for Failure {
    fn from(error: CargoError) -> Self {
        Self::other("file", error)
    }
}

/// A file to send.
#[derive(Debug)]
pub(super) struct Cargo {
    pub(super) path: PathBuf,
    /// A file of a directory has the names of the directories in its name, after that
    /// which was given, separated by `/`.
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) id: Id,
    /// The copy of standard input at `path`: dropping it deletes the file.
    _copy: Option<NamedTempFile>,
}

impl Cargo {
    pub(super) fn offer(&self) -> Packet {
        Packet::Offer {
            id: self.id.clone(),
            name: self.name.clone(),
            size: self.size,
        }
    }

    /// Reads the file from this offset on, on a thread of its own.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn read(&self, from: u64) -> Result<mpsc::Receiver<io::Result<Bytes>>, Failure> {
        let path = self.path.clone();
        let (sender, pieces) = mpsc::channel(AHEAD);
        std::thread::Builder::new()
            .name("file".into())
            .spawn(move || {
                if let Err(error) = read_on(&path, from, &sender) {
                    let _ = sender.blocking_send(Err(error));
                }
            })
            .map_err(Failure::System)?;
        Ok(pieces)
    }
}

fn read_on(path: &Path, from: u64, pieces: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    loop {
        let mut piece = Vec::with_capacity(CHUNK);
        (&mut file).take(CHUNK as u64).read_to_end(&mut piece)?;
        if piece.is_empty() || pieces.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}

pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new(STDIN)
}

/// Prepares a file, the files of a directory, or a copy of standard input.
pub(super) async fn load(
    file: &Path,
    sent_as: Option<String>,
    bars: Bars,
) -> Result<Vec<Cargo>, Failure> {
    if !is_stdin(file) {
        return look_at(file.to_owned(), sent_as, bars).await;
    }
    let copy = copy_stdin().await?;
    let mut cargos = look_at(copy.path().to_owned(), sent_as, bars).await?;
    if let Some(cargo) = cargos.first_mut() {
        cargo._copy = Some(copy);
    }
    Ok(cargos)
}

/// Copies standard input to a temporary file. A thread of its own reads: an interrupted
/// command doesn't wait for it.
async fn copy_stdin() -> Result<NamedTempFile, Failure> {
    let copy = NamedTempFile::with_prefix("zre-").map_err(CargoError::Stdin)?;
    let mut file = copy.reopen().map_err(CargoError::Stdin)?;
    let (sender, copied) = oneshot::channel();
    std::thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            let _ = sender.send(io::copy(&mut io::stdin().lock(), &mut file));
        })
        .map_err(Failure::System)?;
    match copied.await {
        Ok(Ok(_)) => Ok(copy),
        Ok(Err(error)) => Err(CargoError::Stdin(error).into()),
        Err(_) => Err(Failure::Died),
    }
}

/// Reads each file once, for its checksum.
async fn look_at(
    path: PathBuf,
    sent_as: Option<String>,
    bars: Bars,
) -> Result<Vec<Cargo>, Failure> {
    let work = move || {
        let there = std::fs::metadata(&path).map_err(|error| unreadable(&path, error))?;
        let name = match sent_as {
            Some(name) => name,
            None => own_name(&path)?,
        };
        match there.is_dir() {
            true => look_into(&path, &name, &bars),
            false => Ok(vec![measure(path, name, &bars)?]),
        }
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(cargos) => Ok(cargos?),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn unreadable(path: &Path, source: io::Error) -> CargoError {
    let path = path.to_owned();
    CargoError::Read { path, source }
}

/// The last part of the path: for `.` and `..` that of the directory they stand for.
fn own_name(path: &Path) -> Result<String, CargoError> {
    let name = match path.file_name() {
        Some(name) => name.to_owned(),
        None => {
            let full = path.canonicalize();
            let full = full.map_err(|error| unreadable(path, error))?;
            full.file_name().unwrap_or_default().to_owned()
        }
    };
    Ok(name.to_string_lossy().into_owned())
}

/// All files in a directory and those below. Symbolic links in it, which may lead out of
/// it, and special files are left out.
fn look_into(directory: &Path, name: &str, bars: &Bars) -> Result<Vec<Cargo>, CargoError> {
    let mut cargos = Vec::new();
    for entry in WalkDir::new(directory).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(directory).to_owned();
            unreadable(&path, error.into())
        })?;
        // The directory itself may be given by a link.
        if entry.file_type().is_dir() || entry.depth() == 0 {
            continue;
        }
        if !entry.file_type().is_file() {
            let path = entry.path().to_string_lossy();
            let _ = writeln!(
                io::stderr(),
                "{} isn't a file and is left out",
                shown(&path)
            );
            continue;
        }
        let below = entry.path().strip_prefix(directory).unwrap_or(entry.path());
        let mut full = name.to_owned();
        for part in below {
            full.push('/');
            full.push_str(&part.to_string_lossy());
        }
        cargos.push(measure(entry.into_path(), full, bars)?);
    }
    match cargos.is_empty() {
        true => Err(CargoError::Empty(directory.to_owned())),
        false => Ok(cargos),
    }
}

/// Reads a file for its size and checksum.
fn measure(path: PathBuf, name: String, bars: &Bars) -> Result<Cargo, CargoError> {
    let there = std::fs::metadata(&path).map_err(|error| unreadable(&path, error))?;
    if !there.is_file() {
        return Err(CargoError::NotAFile(path));
    }
    let bar = bars.bytes(&format!("checksum of {}", shown(&name)), there.len());
    let id =
        hash(&path, |read| bar.set_position(read)).map_err(|error| unreadable(&path, error))?;
    bar.finish_and_clear();
    let cargo = Cargo {
        path,
        name,
        size: there.len(),
        id,
        _copy: None,
    };
    match cargo.offer().fits() {
        true => Ok(cargo),
        false => Err(CargoError::LongPath(cargo.name)),
    }
}
