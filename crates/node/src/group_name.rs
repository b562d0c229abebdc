use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of a group: shared text, which compares with `&str` and `String`.
///
/// A clone shares the text. Names are compared byte for byte: `CHAT` and `chat`
/// are two groups.
///
/// ```
/// use zre::GroupName;
///
/// let group = GroupName::from("room");
/// assert!(group == "room" && group.starts_with('r'));
/// assert_eq!(format!("{group}"), "room");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for GroupName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for GroupName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Maps and sets of names can be searched by `&str`.
impl Borrow<str> for GroupName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

/// As `&str` does it, in quotes.
impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl From<Arc<str>> for GroupName {
    fn from(name: Arc<str>) -> Self {
        Self(name)
    }
}

impl From<&str> for GroupName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for GroupName {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<GroupName> for Arc<str> {
    fn from(name: GroupName) -> Self {
        name.0
    }
}

impl From<GroupName> for String {
    fn from(name: GroupName) -> Self {
        name.as_str().to_owned()
    }
}

impl From<&GroupName> for String {
    fn from(name: &GroupName) -> Self {
        name.as_str().to_owned()
    }
}

/// With each kind of text, from either side.
macro_rules! compares_with {
    ($($text:ty)*) => {$(
        impl PartialEq<$text> for GroupName {
            fn eq(&self, other: &$text) -> bool {
                let other: &str = other.as_ref();
                *self.0 == *other
            }
        }

        impl PartialEq<GroupName> for $text {
            fn eq(&self, other: &GroupName) -> bool {
                other == self
            }
        }
    )*};
}

compares_with!(str &str String);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn it_compares_with_text_and_is_found_by_it() {
        let room = GroupName::from("room");
        assert_eq!(room, "room");
        assert_eq!("room", room);
        assert_eq!(room, "room".to_owned());
        assert_ne!(room, *"other");
        assert!(BTreeSet::from([room.clone()]).contains("room"));
        assert!(HashSet::from([room.clone()]).contains("room"));
        assert_eq!(format!("{room:>6} {room:?}"), "  room \"room\"");
    }
}
