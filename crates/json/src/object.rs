use crate::measure::Kept;
use crate::shape::Shape;
use crate::{Json, Str, deep};
use std::fmt;
use std::sync::Arc;

/// Keys and values in the order they were put in, shared until written to.
#[derive(Clone, Default)]
pub struct Object(Option<Arc<Members>>);

/// As many values as the shape has keys.
#[derive(Clone, Default)]
struct Members {
    shape: Arc<Shape>,
    values: Vec<Json>,
    kept: Kept,
}

/// Where a key was found last. Objects that were read together mostly have the same keys, so that
/// the next one need not be searched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint<'j> {
    shape: Option<&'j Shape>,
    at: usize,
}

/// Keys and values in order.
pub(crate) type Walk<'j> = std::iter::Zip<std::slice::Iter<'j, Str>, std::slice::Iter<'j, Json>>;

/// The keys of many objects: see [`Object::with_keys`].
#[derive(Clone, Debug)]
pub struct Keys(Arc<Shape>);

impl Keys {
    /// The keys in order; `None` if one comes twice.
    pub fn new(keys: impl IntoIterator<Item = Str>) -> Option<Self> {
        let mut shape = Shape::default();
        for key in keys {
            if shape.position(&key).is_some() {
                return None;
            }
            shape.push(key);
        }
        Some(Self(Arc::new(shape)))
    }

    /// The keys.
    pub fn as_slice(&self) -> &[Str] {
        self.0.keys()
    }

    /// Where `key` is among them.
    #[inline]
    pub fn position(&self, key: &str) -> Option<usize> {
        self.0.position(key)
    }
}

impl Object {
    /// As many values as there are keys; `None` if there are more or fewer.
    pub fn with_keys(keys: &Keys, values: Vec<Json>) -> Option<Self> {
        if keys.as_slice().len() != values.len() {
            return None;
        }
        if values.is_empty() {
            return Some(Self::new());
        }
        Some(Self::of(Arc::clone(&keys.0), values))
    }

    /// The value of `key`, found at once if `hint` comes from an object with the same keys. A hint
    /// is for one key only.
    #[inline]
    pub fn get_with<'j>(&'j self, key: &str, hint: &mut Hint<'j>) -> Option<&'j Json> {
        let members = self.0.as_ref()?;
        let shape: &'j Shape = &members.shape;
        if !hint.shape.is_some_and(|known| std::ptr::eq(known, shape)) {
            *hint = Hint { shape: Some(shape), at: shape.position(key).unwrap_or(usize::MAX) };
        }
        members.values.get(hint.at)
    }

    /// No members.
    pub fn new() -> Self {
        Self::default()
    }

    /// As many values as `shape` has keys.
    pub(crate) fn of(shape: Arc<Shape>, values: Vec<Json>) -> Self {
        debug_assert_eq!(shape.keys().len(), values.len());
        Self(Some(Arc::new(Members { shape, values, kept: Kept::default() })))
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.slots().len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn position(&self, key: &str) -> Option<usize> {
        self.0.as_ref()?.shape.position(key)
    }

    fn members_mut(&mut self) -> &mut Members {
        let members = Arc::make_mut(self.0.get_or_insert_default());
        members.kept.forget();
        members
    }

    /// What is known of its size; nothing is kept of an object without members.
    pub(crate) fn kept(&self) -> Option<&Kept> {
        self.0.as_ref().map(|members| &members.kept)
    }

    pub(crate) fn names(&self) -> &[Str] {
        self.0.as_ref().map_or(&[], |members| members.shape.keys())
    }

    /// The keys as `label` makes them, if it pays to keep that: others have the same shape.
    pub(crate) fn labels(&self, label: impl Fn(&str) -> Str) -> Option<&[Str]> {
        let members = self.0.as_ref()?;
        (Arc::strong_count(&members.shape) > 1).then(|| members.shape.labels(label))
    }

    pub(crate) fn slots(&self) -> &[Json] {
        self.0.as_ref().map_or(&[], |members| &members.values)
    }

    /// Where the members stand in memory, if there are any.
    pub(crate) fn address(&self) -> Option<usize> {
        self.0.as_ref().map(|members| Arc::as_ptr(members).addr())
    }

    /// Whether somebody else holds the same members.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.as_ref().is_some_and(|members| Arc::strong_count(members) > 1)
    }

    /// Whether both are the same members in the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// Whether both are known to have the same keys in the same order.
    pub(crate) fn shares_shape(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(&a.shape, &b.shape),
            _ => false,
        }
    }

    /// The value of `key`.
    #[inline]
    pub fn get(&self, key: &str) -> Option<&Json> {
        let members = self.0.as_ref()?;
        members.values.get(members.shape.position(key)?)
    }

    /// The value of `key`, to be written; members are copied first if anyone else holds them.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        let at = self.position(key)?;
        self.members_mut().values.get_mut(at)
    }

    /// The value of `key`, to be written; put in with `value` at the end if it is not there.
    pub fn get_or_insert_with(&mut self, key: &str, value: impl FnOnce() -> Json) -> &mut Json {
        let at = self.position(key);
        let members = self.members_mut();
        let at = at.unwrap_or_else(|| {
            Arc::make_mut(&mut members.shape).push(key.into());
            members.values.push(value());
            members.values.len() - 1
        });
        &mut members.values[at]
    }

    /// Whether there is a member `key`.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Sets `key`: in place when it is there (the old value is returned), else at the end.
    pub fn insert(&mut self, key: impl Into<Str>, value: Json) -> Option<Json> {
        let key = key.into();
        let at = self.position(&key);
        let members = self.members_mut();
        if let Some(at) = at {
            return Some(std::mem::replace(&mut members.values[at], value));
        }
        Arc::make_mut(&mut members.shape).push(key);
        members.values.push(value);
        None
    }

    /// Takes `key` out; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        let at = self.position(key)?;
        let members = self.members_mut();
        Arc::make_mut(&mut members.shape).remove(at);
        Some(members.values.remove(at))
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Json)> + DoubleEndedIterator {
        self.names().iter().zip(self.slots())
    }

    /// As [`Self::iter`], with a type that can be named.
    pub(crate) fn walk(&self) -> Walk<'_> {
        self.names().iter().zip(self.slots())
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Str> + DoubleEndedIterator {
        self.names().iter()
    }

    /// The values in order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Json> + DoubleEndedIterator {
        self.slots().iter()
    }

    /// The values, if nobody else holds them; nothing is left of them here.
    pub(crate) fn take_values(&mut self) -> Option<Vec<Json>> {
        let members = self.0.as_mut()?;
        // The count is looked at first: that is cheap, and often somebody else holds it, too.
        if Arc::strong_count(members) > 1 {
            return None;
        }
        let members = Arc::get_mut(members)?;
        members.kept.forget();
        Some(std::mem::take(&mut members.values))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if self.is_empty() {
            return;
        }
        if let Some(mut values) = self.take_values() {
            deep::dismantle(&mut values);
        }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        deep::equal_objects(self, other, Json::eq_scalar)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Json::Object(self.clone()), f)
    }
}

impl<K: Into<Str>> FromIterator<(K, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Json)>>(members: I) -> Self {
        let mut making = Making::default();
        for (key, value) in members {
            making.add(key.into(), value);
        }
        making.finish()
    }
}

/// An object that is being made. What is the same for all iterators stands here, once in the program.
#[derive(Default)]
struct Making {
    shape: Shape,
    values: Vec<Json>,
}

impl Making {
    fn add(&mut self, key: Str, value: Json) {
        if let Some(at) = self.shape.position(&key) {
            self.values[at] = value;
        } else {
            self.shape.push(key);
            self.values.push(value);
        }
    }

    fn finish(self) -> Object {
        if self.values.is_empty() {
            Object::new()
        } else {
            Object::of(Arc::new(self.shape), self.values)
        }
    }
}
