//! Locks, counters and notifications. Inside of [`explore`](crate::explore), another thread
//! may go on before and after each use of them.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;
use std::sync::{self, LockResult, OnceLock, PoisonError, TryLockError, TryLockResult};
use std::time::Duration;

use tokio::sync::futures::Notified;

use crate::{exploring, point};

/// See [`std::sync::Mutex`].
#[derive(Default)]
pub struct Mutex<T: ?Sized> {
    /// What threads wait for while schedules are explored.
    turn: OnceLock<Box<shuttle::sync::Mutex<()>>>,
    value: sync::Mutex<T>,
}

/// See [`std::sync::MutexGuard`].
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// `None` while it waits for a condition, and while it is dropped.
    value: Option<sync::MutexGuard<'a, T>>,
    turn: Option<shuttle::sync::MutexGuard<'a, ()>>,
}

impl<T> Mutex<T> {
    /// See [`std::sync::Mutex::new`].
    pub const fn new(value: T) -> Self {
        Self {
            turn: OnceLock::new(),
            value: sync::Mutex::new(value),
        }
    }
}

impl<T: ?Sized> Mutex<T> {
    /// See [`std::sync::Mutex::lock`].
    ///
    /// # Errors
    /// A thread has panicked while it held the lock.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let turn = exploring().then(|| ignore_poison(self.turn().lock()));
        self.locked(self.value.lock(), turn)
    }

    /// See [`std::sync::Mutex::try_lock`].
    ///
    /// # Errors
    /// It is locked, or a thread has panicked while it held the lock.
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let turn = match exploring().then(|| self.turn().try_lock()) {
            None => None,
            Some(Ok(turn)) => Some(turn),
            Some(Err(TryLockError::Poisoned(poisoned))) => Some(poisoned.into_inner()),
            Some(Err(TryLockError::WouldBlock)) => return Err(TryLockError::WouldBlock),
        };
        let value = match self.value.try_lock() {
            Ok(value) => Ok(value),
            Err(TryLockError::Poisoned(poisoned)) => Err(poisoned),
            Err(TryLockError::WouldBlock) => return Err(TryLockError::WouldBlock),
        };
        self.locked(value, turn).map_err(TryLockError::Poisoned)
    }

    /// See [`std::sync::Mutex::get_mut`].
    ///
    /// # Errors
    /// A thread has panicked while it held the lock.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.value.get_mut()
    }

    fn turn(&self) -> &shuttle::sync::Mutex<()> {
        self.turn.get_or_init(Box::default)
    }

    fn locked<'a>(
        &'a self,
        value: LockResult<sync::MutexGuard<'a, T>>,
        turn: Option<shuttle::sync::MutexGuard<'a, ()>>,
    ) -> LockResult<MutexGuard<'a, T>> {
        let poisoned = value.is_err();
        let guard = MutexGuard {
            mutex: self,
            value: Some(ignore_poison(value)),
            turn,
        };
        match poisoned {
            false => Ok(guard),
            true => Err(PoisonError::new(guard)),
        }
    }
}

fn ignore_poison<T>(result: LockResult<T>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "nobody has a guard without a value")]
    fn deref(&self) -> &T {
        self.value.as_ref().expect("locked")
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[expect(clippy::expect_used, reason = "nobody has a guard without a value")]
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("locked")
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        if self.turn.take().is_some() {
            // Others may see the value before this thread does anything more.
            point();
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// See [`std::sync::Condvar`].
#[derive(Debug, Default)]
pub struct Condvar {
    explored: shuttle::sync::Condvar,
    real: sync::Condvar,
}

impl Condvar {
    /// See [`std::sync::Condvar::wait`].
    ///
    /// # Errors
    /// A thread has panicked while it held the lock.
    #[expect(clippy::expect_used, reason = "nobody has a guard without a value")]
    pub fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let mutex = guard.mutex;
        let value = guard.value.take();
        let Some(turn) = guard.turn.take() else {
            let value = self.real.wait(value.expect("locked"));
            return mutex.locked(value, None);
        };
        drop(value);
        let turn = ignore_poison(self.explored.wait(turn));
        mutex.locked(mutex.value.lock(), Some(turn))
    }

    /// See [`std::sync::Condvar::wait_timeout`]. While schedules are explored, no time
    /// passes.
    ///
    /// # Errors
    /// A thread has panicked while it held the lock.
    #[expect(clippy::expect_used, reason = "nobody has a guard without a value")]
    pub fn wait_timeout<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, bool)> {
        if guard.turn.is_some() {
            return match self.wait(guard) {
                Ok(guard) => Ok((guard, false)),
                Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), false))),
            };
        }
        let mutex = guard.mutex;
        let value = guard.value.take().expect("locked");
        let waited = self.real.wait_timeout(value, time);
        let poisoned = waited.is_err();
        let (value, result) = ignore_poison(waited);
        let guard = ignore_poison(mutex.locked(Ok(value), None));
        match poisoned {
            false => Ok((guard, result.timed_out())),
            true => Err(PoisonError::new((guard, result.timed_out()))),
        }
    }

    /// See [`std::sync::Condvar::notify_all`].
    pub fn notify_all(&self) {
        match exploring() {
            true => self.explored.notify_all(),
            false => self.real.notify_all(),
        }
    }
}

/// See [`tokio::sync::Notify`].
#[derive(Debug, Default)]
pub struct Notify(tokio::sync::Notify);

impl Notify {
    /// See [`tokio::sync::Notify::new`].
    #[must_use]
    pub const fn new() -> Self {
        Self(tokio::sync::Notify::const_new())
    }

    /// See [`tokio::sync::Notify::notified`].
    pub fn notified(&self) -> Notified<'_> {
        step(|| self.0.notified())
    }

    /// See [`tokio::sync::Notify::notify_one`].
    pub fn notify_one(&self) {
        step(|| self.0.notify_one());
    }

    /// See [`tokio::sync::Notify::notify_waiters`].
    pub fn notify_waiters(&self) {
        step(|| self.0.notify_waiters());
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        #[doc = concat!("See [`std::sync::atomic::", stringify!($name), "`].")]
        #[derive(Debug, Default)]
        pub struct $name(sync::atomic::$name);

        impl $name {
            #[doc = concat!("See [`std::sync::atomic::", stringify!($name), "::new`].")]
            pub const fn new(value: $value) -> Self {
                Self(sync::atomic::$name::new(value))
            }

            #[doc = concat!("See [`std::sync::atomic::", stringify!($name), "::load`].")]
            pub fn load(&self, order: Ordering) -> $value {
                step(|| self.0.load(order))
            }

            #[doc = concat!("See [`std::sync::atomic::", stringify!($name), "::store`].")]
            pub fn store(&self, value: $value, order: Ordering) {
                step(|| self.0.store(value, order));
            }
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);

impl AtomicUsize {
    /// See [`std::sync::atomic::AtomicUsize::fetch_add`].
    pub fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        step(|| self.0.fetch_add(value, order))
    }

    /// See [`std::sync::atomic::AtomicUsize::fetch_sub`].
    pub fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        step(|| self.0.fetch_sub(value, order))
    }

    /// See [`std::sync::atomic::AtomicUsize::fetch_update`].
    ///
    /// # Errors
    /// As there.
    pub fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        change: impl FnMut(usize) -> Option<usize>,
    ) -> Result<usize, usize> {
        step(|| self.0.fetch_update(set, fetch, change))
    }
}

fn step<T>(act: impl FnOnce() -> T) -> T {
    point();
    let result = act();
    point();
    result
}
