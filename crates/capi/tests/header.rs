//! The header is what the source says.
//!
//! `ZRE_BLESS=1 cargo test -p zre-capi --test header` writes it anew.

use std::path::Path;

#[test]
fn the_header_is_up_to_date() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = directory.join("include/zre.h");
    let mut config = cbindgen::Config::from_file(directory.join("cbindgen.toml")).unwrap();
    config.header = Some(std::fs::read_to_string(directory.join("include/rules.txt")).unwrap());
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(directory.join("src/lib.rs"))
        .generate()
        .unwrap()
        .write(&mut made);
    // Types that are written out have a space behind them.
    let made = String::from_utf8(made).unwrap();
    let made = made
        .replace("char * ", "char *")
        .replace("frame * ", "frame *");
    if std::env::var_os("ZRE_BLESS").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        made == found,
        "include/zre.h is out of date: ZRE_BLESS=1 cargo test -p zre-capi --test header"
    );
}
