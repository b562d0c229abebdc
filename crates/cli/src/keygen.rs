//! `zre keygen`: keys for a node.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use zre::{KeyError, Keys};

use crate::failure::Failure;
use crate::json;
use crate::visit::print;

/// Make keys for a node.
///
/// It prints the public key, which others may know.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct KeygenCommand {
    /// Where to write them
    file: PathBuf,

    /// Write a JSON line: {"event":"keys","key":..,"file":..}
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
FILE gets the public key, FILE_secret both keys; only you can read that. These are
the certificate files of czmq. A file that is there already is never overwritten.

Examples:
  zre keygen camera
  zre node --keys camera
  zre chat --keys laptop --trust 'vJTI.5fMXJ^hv6OQ]}E@N4#dpXL>L-cZTi}VYJ7)'";

/// The new keys, as a JSON line.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "keys")]
pub(crate) struct Made {
    key: String,
    file: String,
}

pub(crate) async fn keygen(command: KeygenCommand) -> Result<ExitCode, Failure> {
    let failure = |error: KeyError| Failure::other("keys", error);
    let keys = Keys::generate().map_err(failure)?;
    keys.save(&command.file).map_err(failure)?;
    let key = keys.public().to_string();
    let mut lines = Vec::new();
    if command.json {
        let file = command.file.display().to_string();
        json::line(&Made { key, file }, &mut lines);
    } else {
        lines.extend(key.bytes());
        lines.push(b'\n');
    }
    print(lines).await
}
