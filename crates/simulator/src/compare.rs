//! What differs between what is wanted and what is there.

use stepwright_json::Json;

/// How much of a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What is wanted of it: objects may have further keys. Lists are as long as is wanted.
    Part,
}

/// One place at which two values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where, as a JSONPath: `$.items[2].price`.
    pub path: String,
    /// What is wanted there; `None` where nothing should be.
    pub expected: Option<Json>,
    /// What is there; `None` where nothing is.
    pub actual: Option<Json>,
}

/// Every place at which `actual` is not what is wanted. Numbers are equal when their values are,
/// `1` and `1.0` say.
pub fn differences(expected: &Json, actual: &Json, extent: Extent) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(expected, actual, extent, "$", DEPTH, &mut found);
    found
}

/// How deep a difference is looked for. What lies deeper is compared as one.
const DEPTH: usize = 256;

fn compare(
    expected: &Json,
    actual: &Json,
    extent: Extent,
    path: &str,
    depth: usize,
    found: &mut Vec<Difference>,
) {
    let difference = |path: String, expected: Option<&Json>, actual: Option<&Json>| Difference {
        path,
        expected: expected.cloned(),
        actual: actual.cloned(),
    };
    match (expected, actual) {
        (Json::Object(wanted), Json::Object(there)) if depth > 0 => {
            for (key, value) in wanted.iter() {
                let path = child(path, key);
                match there.get(key) {
                    Some(actual) => compare(value, actual, extent, &path, depth - 1, found),
                    None => found.push(difference(path, Some(value), None)),
                }
            }
            if extent == Extent::Whole {
                for (key, value) in there.iter().filter(|(key, _)| !wanted.contains_key(key)) {
                    found.push(difference(child(path, key), None, Some(value)));
                }
            }
        }
        (Json::Array(wanted), Json::Array(there)) if depth > 0 => {
            for at in 0..wanted.len().max(there.len()) {
                let path = format!("{path}[{at}]");
                match (wanted.get(at), there.get(at)) {
                    (Some(wanted), Some(there)) => {
                        compare(wanted, there, extent, &path, depth - 1, found);
                    }
                    (wanted, there) => found.push(difference(path, wanted, there)),
                }
            }
        }
        (expected, actual) if expected.same(actual) => {}
        (expected, actual) => {
            found.push(difference(path.to_owned(), Some(expected), Some(actual)));
        }
    }
}

/// The path of a member: `$.a` or `$['a b']`.
fn child(path: &str, key: &str) -> String {
    let is_plain = !key.is_empty()
        && key.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        && !key.starts_with(|c: char| c.is_ascii_digit());
    if is_plain { format!("{path}.{key}") } else { format!("{path}['{key}']") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[track_caller]
    fn check(expected: Json, actual: Json, extent: Extent, paths: &[&str]) {
        let found = differences(&expected, &actual, extent);
        let found: Vec<&str> = found.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(found, paths);
    }

    #[test]
    fn every_difference_has_its_path() {
        let actual = json!({"a": 1, "b": [1, {"c": "x"}], "d e": true});
        check(json!({"a": 1.0}), actual.clone(), Extent::Part, &[]);
        check(json!({"a": 1}), actual.clone(), Extent::Whole, &["$.b", "$['d e']"]);
        check(json!({"b": [1, {"c": "y"}]}), actual.clone(), Extent::Part, &["$.b[1].c"]);
        check(json!({"b": [1]}), actual.clone(), Extent::Part, &["$.b[1]"]);
        check(json!({"z": null}), actual, Extent::Part, &["$.z"]);
    }

    #[test]
    fn numbers_and_texts_differ() {
        check(json!("1"), json!(1), Extent::Whole, &["$"]);
        check(json!(null), json!(false), Extent::Whole, &["$"]);
    }
}
