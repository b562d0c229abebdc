//! Files of keys: czmq's certificates (zcert), and bare Z85.
//!
//! A certificate is ZPL (RFC 4): sections by indentation, `name = value`, `#` for
//! comments. The file `NAME` has the public key; `NAME_secret` has both.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::{KeyError, Keys, PublicKey};

/// More than any certificate has.
const LARGEST: u64 = 64 << 10;

const PUBLIC: &str = "\
#   ZeroMQ CURVE Public Certificate
#   Give it to those who shall know this node.

";

const SECRET: &str = "\
#   ZeroMQ CURVE **Secret** Certificate
#   Give it to nobody, and leave its permissions as they are.

";

impl Keys {
    /// Reads a pair from the files that czmq and [`save`](Self::save) write: from
    /// `path` with `_secret` appended if that exists, else from `path`, which
    /// then has the secret key. Instead of a certificate it may have nothing but the
    /// secret key in Z85.
    ///
    /// # Errors
    /// [`KeyError`]. On Unix, [`KeyError::Exposed`] if the file with the secret key
    /// isn't the user's alone (mode 0600 or less).
    pub fn load(path: impl AsRef<Path>) -> Result<Keys, KeyError> {
        let path = path.as_ref();
        let secret = secret_path(path);
        let path = if secret.exists() { &secret } else { path };
        let mut file = File::open(path).map_err(|source| io(path, source))?;
        not_exposed(&file, path)?;
        let text = read(&mut file, path)?;
        let parsed = Certificate::parse(&text, path)?;
        let secret = parsed.secret.or(parsed.bare);
        let secret = secret.ok_or_else(|| missing(path, "secret-key"))?;
        let keys = Keys::from_z85(secret)?;
        match parsed.public {
            Some(public) if public.parse::<PublicKey>()? != keys.public() => {
                Err(KeyError::Mismatch {
                    path: path.to_owned(),
                    public: keys.public(),
                })
            }
            _ => Ok(keys),
        }
    }

    /// Writes the pair as czmq does: the public key to `path`, both keys to `path`
    /// with `_secret` appended, which only the user can read (mode 0600 on Unix).
    ///
    /// # Errors
    /// [`KeyError::Exists`] if one of the files is there: a key that is overwritten is
    /// lost. [`KeyError::Io`]; the first file may be there then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), KeyError> {
        let path = path.as_ref();
        if path.exists() {
            return Err(exists(path));
        }
        let public = format!("    public-key = \"{}\"\n", self.public());
        let secret = self.secret_z85();
        let secret = std::str::from_utf8(&*secret).unwrap_or_default();
        let mut both = Zeroizing::new(String::with_capacity(512));
        for part in [SECRET, "metadata\ncurve\n", &public, "    secret-key = \""] {
            both.push_str(part);
        }
        both.push_str(secret);
        both.push_str("\"\n");
        write(&secret_path(path), &both, true)?;
        let certificate = format!("{PUBLIC}metadata\ncurve\n{public}");
        write(path, &certificate, false)
    }
}

impl PublicKey {
    /// Reads a public key: of a certificate, with or without the secret key, or
    /// from a file that has nothing but it, in Z85.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(path: impl AsRef<Path>) -> Result<PublicKey, KeyError> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|source| io(path, source))?;
        let text = read(&mut file, path)?;
        let parsed = Certificate::parse(&text, path)?;
        let public = parsed.public.or(parsed.bare);
        public.ok_or_else(|| missing(path, "public-key"))?.parse()
    }
}

/// The keys of a file, as its text has them.
#[derive(Default)]
struct Certificate<'a> {
    public: Option<&'a str>,
    secret: Option<&'a str>,
    /// The only line of a file that isn't a certificate.
    bare: Option<&'a str>,
}

impl<'a> Certificate<'a> {
    fn parse(text: &'a str, path: &Path) -> Result<Certificate<'a>, KeyError> {
        if crate::z85::decode(text.trim().as_bytes()).is_some() {
            return Ok(Certificate {
                bare: Some(text.trim()),
                ..Certificate::default()
            });
        }
        let mut found = Certificate::default();
        let mut section = "";
        for (line, text) in (1..).zip(text.lines()) {
            let wrong = |problem| KeyError::Format {
                path: path.to_owned(),
                line,
                problem,
            };
            let (name, value) = property(text).map_err(wrong)?;
            if name.is_empty() {
                continue;
            }
            if !text.starts_with([' ', '\t']) {
                section = name;
                continue;
            }
            let place = match (section, name) {
                ("curve", "public-key") => &mut found.public,
                ("curve", "secret-key") => &mut found.secret,
                _ => continue,
            };
            match value {
                Some(value) if value.len() == crate::z85::TEXT_LEN => *place = Some(value),
                _ => return Err(wrong("a key must be 40 characters of Z85 in quotes")),
            }
        }
        Ok(found)
    }
}

/// The name and the value of a line; the name is empty if there is none.
fn property(line: &str) -> Result<(&str, Option<&str>), &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(("", None));
    }
    let Some((name, value)) = line.split_once('=') else {
        let name = line.split('#').next().unwrap_or_default();
        return Ok((name.trim(), None));
    };
    let value = value.trim();
    let quoted = value
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''));
    let value = match quoted {
        None => value.split(" #").next().unwrap_or_default().trim(),
        Some(quote) => value
            .get(1..)
            .and_then(|rest| rest.split_once(quote))
            .map(|(value, _)| value)
            .ok_or("a quote isn't closed")?,
    };
    Ok((name.trim(), Some(value)))
}

/// Where the secret key of a certificate is.
fn secret_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("_secret");
    name.into()
}

fn io(path: &Path, source: std::io::Error) -> KeyError {
    KeyError::Io {
        path: path.to_owned(),
        source,
    }
}

fn exists(path: &Path) -> KeyError {
    KeyError::Exists {
        path: path.to_owned(),
    }
}

fn missing(path: &Path, what: &'static str) -> KeyError {
    KeyError::Missing {
        path: path.to_owned(),
        what,
    }
}

fn read(file: &mut File, path: &Path) -> Result<Zeroizing<String>, KeyError> {
    // Enough at once: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(LARGEST as usize));
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|source| io(path, source))?;
    Ok(text)
}

fn write(path: &Path, text: &str, secret: bool) -> Result<(), KeyError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    let mut file = options.open(path).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => io(path, source),
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|source| io(path, source))
}

/// The file that is open is the one that is judged: its name may lead to another
/// one meanwhile.
#[cfg(unix)]
fn not_exposed(file: &File, path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::MetadataExt;
    let mode = file.metadata().map_err(|source| io(path, source))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
fn not_exposed(_: &File, _: &Path) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    /// A file that only we can read.
    fn put(path: &Path, text: &str) {
        let _ = std::fs::remove_file(path);
        write(path, text, true).unwrap();
    }

    #[test]
    fn what_is_saved_is_loaded_by_either_name() {
        let dir = folder();
        let path = dir.path().join("node");
        let keys = Keys::generate().unwrap();
        keys.save(&path).unwrap();
        for name in ["node", "node_secret"] {
            assert_eq!(Keys::load(dir.path().join(name)).unwrap(), keys);
            assert_eq!(
                PublicKey::load(dir.path().join(name)).unwrap(),
                keys.public()
            );
        }
        let public = std::fs::read_to_string(&path).unwrap();
        let secret = keys.secret_z85();
        assert!(!public.contains(std::str::from_utf8(&*secret).unwrap()));
        assert!(!public.contains("secret-key"));
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = folder();
        let path = dir.path().join("node");
        Keys::generate().unwrap().save(&path).unwrap();
        let secret = secret_path(&path);
        let mode = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&secret, permissions).unwrap();
            Keys::load(&path)
        };
        assert_eq!(
            std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for open in [0o604, 0o640, 0o644, 0o660, 0o601] {
            assert!(matches!(mode(open), Err(KeyError::Exposed { mode, .. }) if mode == open));
        }
        for closed in [0o600, 0o400] {
            assert!(mode(closed).is_ok());
        }
        // The public part is for everybody.
        assert!(PublicKey::load(&path).is_ok());
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = folder();
        let path = dir.path().join("node");
        let keys = Keys::generate().unwrap();
        keys.save(&path).unwrap();
        let again = || Keys::generate().unwrap().save(&path);
        assert!(matches!(again(), Err(KeyError::Exists { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(again(), Err(KeyError::Exists { path }) if path.ends_with("node_secret")));
        assert_eq!(Keys::load(&path).unwrap(), keys);
    }

    #[test]
    fn certificates_as_czmq_writes_them_and_bare_keys_are_read() {
        let dir = folder();
        let path = dir.path().join("node");
        let keys = Keys::from_secret([3; 32]);
        let (public, secret) = (keys.public().to_string(), keys.secret_z85());
        let secret = std::str::from_utf8(&*secret).unwrap();
        put(
            &path,
            &format!(
                "#   ****  Generated on 2026-11-26 by CZMQ  ****\n\
                 #   DO NOT PROVIDE THIS FILE\n\n\
                 metadata\n    name = \"a # b\"\n    public-key = \"not this\"\n\
                 curve   # keys\n    public-key = \"{public}\"\n    secret-key = '{secret}'  # mine\n"
            ),
        );
        assert_eq!(Keys::load(&path).unwrap(), keys);
        assert_eq!(PublicKey::load(&path).unwrap(), keys.public());
        put(&path, &format!("{secret}\n"));
        assert_eq!(Keys::load(&path).unwrap(), keys);
        put(&path, &format!("{public}\n"));
        assert_eq!(PublicKey::load(&path).unwrap(), keys.public());
    }

    #[test]
    fn other_files_are_refused_and_say_where() {
        let dir = folder();
        let path = dir.path().join("node");
        let public = Keys::from_secret([3; 32]).public().to_string();
        let load = |text: &str| {
            put(&path, text);
            Keys::load(&path).unwrap_err().to_string()
        };
        assert!(load("").contains("no secret-key"));
        let text = format!("curve\n    public-key = \"{public}\"\n");
        assert!(load(&text).contains("no secret-key"));
        assert!(load("curve\n    secret-key = \"short\"\n").contains("line 2"));
        assert!(load("curve\n\n    secret-key = \"open\n").contains("line 3"));
        let other = Keys::from_secret([4; 32]).secret_z85();
        let other = std::str::from_utf8(&*other).unwrap();
        let text = format!("curve\n  public-key = \"{public}\"\n  secret-key = \"{other}\"\n");
        assert!(load(&text).contains("isn't that of its secret key"));
        assert!(matches!(
            Keys::load(dir.path().join("absent")),
            Err(KeyError::Io { .. })
        ));
    }
}
