//! Settings.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Outcome, call, value};
use crate::handles::Handles;
use crate::input::Text;
use crate::output::give;
use crate::strings::Strings;

/// How a node is to be. Any thread may use it at any time.
pub struct Settings(());

static SETTINGS: Handles<Mutex<zre::Settings>> = Handles::of("settings");

/// A copy of what a handle is of; the defaults for NULL.
pub(crate) fn copy(settings: *const Settings) -> Outcome<zre::Settings> {
    if settings.is_null() {
        return Ok(zre::Settings::default());
    }
    Ok(lock(&SETTINGS.find(settings)?).clone())
}

fn lock(settings: &Arc<Mutex<zre::Settings>>) -> MutexGuard<'_, zre::Settings> {
    settings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Settings with their defaults. Free them with zre_settings_destroy(). NULL only after a
/// bug in this library.
#[unsafe(no_mangle)]
pub extern "C" fn zre_settings_new() -> *mut Settings {
    value(std::ptr::null_mut(), || SETTINGS.open(Mutex::default()))
}

/// Sets a value by the setting's name, as "name", "group" or "evasive": the names and
/// values are those of the options of the `zre` command. A setting that is a list gets one
/// value more; "header" takes "KEY=VALUE".
///
/// Fails if there is no such setting or it doesn't take the value (ZRE_ERROR_SETTING),
/// and then leaves the settings as they were.
#[unsafe(no_mangle)]
pub extern "C" fn zre_settings_set(settings: *mut Settings, key: Text, value: Text) -> Error {
    call(|| {
        let settings = SETTINGS.find(settings)?;
        let (key, value) = (key.needed("the key")?, value.needed("the value")?);
        Ok(lock(&settings).set(key, value)?)
    })
}

/// The values of a setting: one, or as many as a list has, or none where none is set and
/// there is no default.
///
/// Fails if there is no such setting (ZRE_ERROR_SETTING).
#[unsafe(no_mangle)]
pub extern "C" fn zre_settings_get(
    settings: *const Settings,
    key: Text,
    values: Option<&mut MaybeUninit<Option<Box<Strings>>>>,
) -> Error {
    give(values, || {
        let settings = SETTINGS.find(settings)?;
        let found = lock(&settings).get(key.needed("the key")?)?;
        Ok(Strings::of(found))
    })
}

/// Gives a setting its default again; a list is empty then.
///
/// Fails if there is no such setting (ZRE_ERROR_SETTING).
#[unsafe(no_mangle)]
pub extern "C" fn zre_settings_reset(settings: *mut Settings, key: Text) -> Error {
    call(|| {
        let settings = SETTINGS.find(settings)?;
        Ok(lock(&settings).reset(key.needed("the key")?)?)
    })
}

/// The names of all settings.
#[unsafe(no_mangle)]
pub extern "C" fn zre_settings_keys(keys: Option<&mut MaybeUninit<Option<Box<Strings>>>>) -> Error {
    give(keys, || {
        Ok(Strings::of(
            zre::Settings::keys().iter().map(zre::Setting::key),
        ))
    })
}

/// Frees settings, and makes the pointer NULL. Nodes that were started with them go on.
/// NULL, there or behind it, and what was destroyed already are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn zre_settings_destroy(settings: Option<&mut *mut Settings>) {
    value((), || drop(SETTINGS.close(settings)));
}
