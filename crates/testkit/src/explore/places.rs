//! Places in values: the steps of a path, what stands there, and putting something there.

use std::borrow::Cow;
use stepwright_json::{Json, Object};

/// A step of a path into a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    /// The item with this number.
    At(usize),
    /// Any item: a wildcard or a filter.
    Any,
    /// The value that a JSON text stands for.
    Text,
}

/// Items that a list gets when something is put into its items.
const ITEMS: usize = 2;

/// The deepest place that something is put at.
const DEPTH: usize = 64;

/// The steps of `.a['b c'][0].d`, of a JSONPath without its `$` or of a row of fields in JSONata.
pub(super) fn steps(path: &str) -> Vec<Step> {
    let mut found = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, more) = after.split_once(']').unwrap_or((after, ""));
            let inside = inside.trim();
            found.push(if inside.starts_with(['\'', '"']) {
                Step::Key(inside.trim_matches(['\'', '"']).to_owned())
            } else {
                inside.parse().map_or(Step::Any, Step::At)
            });
            rest = more;
            continue;
        }
        let after = rest.trim_start_matches('.');
        if after.starts_with('[') {
            rest = after;
            continue;
        }
        if let Some((name, more)) = after.strip_prefix('`').and_then(|after| after.split_once('`'))
        {
            found.push(Step::Key(name.to_owned()));
            rest = more;
            continue;
        }
        let end = after.find(['.', '[']).unwrap_or(after.len());
        match &after[..end] {
            "" => return found,
            "*" => found.push(Step::Any),
            name => found.push(Step::Key(name.to_owned())),
        }
        rest = &after[end..];
    }
    found
}

/// The value at a place, if there is one. A key that is asked of a list is asked of its first item, as JSONata
/// does it.
pub(super) fn at<'j>(value: &'j Json, path: &[Step]) -> Option<Cow<'j, Json>> {
    let Some((first, rest)) = path.split_first() else { return Some(Cow::Borrowed(value)) };
    let within = match (first, value) {
        (Step::Text, Json::String(text)) => {
            let parsed = stepwright_json::parse(text).ok()?;
            return at(&parsed, rest).map(|found| Cow::Owned(found.into_owned()));
        }
        (Step::Text, _) => None,
        (Step::Key(key), Json::Array(_)) => value.at(0)?.get(key),
        (Step::Key(key), _) => value.get(key),
        (Step::At(index), _) => value.at(*index),
        (Step::Any, _) => value.at(0),
    };
    at(within?, rest)
}

/// Puts a value at a place, whatever stands there or on the way; `None` takes it away.
pub(super) fn place(value: &mut Json, path: &[Step], leaf: Option<&Json>) {
    if path.len() <= DEPTH {
        place_within(value, path, leaf);
    }
}

fn place_within(value: &mut Json, path: &[Step], leaf: Option<&Json>) {
    let Some((first, rest)) = path.split_first() else {
        *value = leaf.cloned().unwrap_or_default();
        return;
    };
    match first {
        Step::Text => {
            let text = value.as_str().unwrap_or_default();
            let mut parsed =
                stepwright_json::parse(text).unwrap_or_else(|_| Json::Object(Object::new()));
            place_within(&mut parsed, rest, leaf);
            *value = parsed.to_string().into();
        }
        Step::Key(key) => {
            if let Json::Array(items) = value {
                for item in items.make_mut() {
                    place_within(item, path, leaf);
                }
                return;
            }
            if !matches!(value, Json::Object(_)) {
                *value = Json::Object(Object::new());
            }
            let Json::Object(members) = value else { return };
            if rest.is_empty() && leaf.is_none() {
                members.remove(key);
            } else {
                place_within(members.get_or_insert_with(key, || Json::Null), rest, leaf);
            }
        }
        Step::Any | Step::At(_) => {
            let wanted = match first {
                Step::At(index) => (*index + 1).clamp(ITEMS, 1_000),
                _ => ITEMS,
            };
            if !matches!(value, Json::Array(_)) {
                let item = std::mem::take(value);
                let item = if item.is_null() { Json::Object(Object::new()) } else { item };
                *value = vec![item; wanted].into();
            }
            let Json::Array(items) = value else { return };
            let items = items.make_mut();
            if let Step::At(index) = first {
                while items.len() <= *index && items.len() < 1_000 {
                    items
                        .push(items.last().cloned().unwrap_or_else(|| Json::Object(Object::new())));
                }
                if let Some(item) = items.get_mut(*index) {
                    place_within(item, rest, leaf);
                }
                return;
            }
            while items.len() < ITEMS {
                items.push(items.last().cloned().unwrap_or_else(|| Json::Object(Object::new())));
            }
            for item in items.iter_mut() {
                place_within(item, rest, leaf);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn a_value_is_put_where_a_path_leads() {
        let mut value = json!({"a": "text"});
        place(&mut value, &steps(".a.b[1]['c d']"), Some(&json!(1)));
        let found = |value: &Json, path: &str| at(value, &steps(path)).map(Cow::into_owned);
        assert_eq!(found(&value, ".a.b[1]['c d']"), Some(json!(1)));
        assert_eq!(found(&value, ".a.b.[0].`c d`"), None);
        place(&mut value, &steps(".a.b[*].e"), Some(&json!(2)));
        assert_eq!(value, json!({"a": {"b": [{"e": 2}, {"c d": 1, "e": 2}]}}));
        place(&mut value, &steps(".a.b"), None);
        assert_eq!(value, json!({"a": {}}));
        let within = [steps(".t"), vec![Step::Text], steps(".n")].concat();
        place(&mut value, &within, Some(&json!(3)));
        assert_eq!(value, json!({"a": {}, "t": "{\"n\":3}"}));
        assert_eq!(at(&value, &within).map(Cow::into_owned), Some(json!(3)));
    }
}
