//! Pages of lists: a token says where the next page begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A part of a list of names, and the token for the next one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) items: Vec<String>,
    pub(crate) next: Option<String>,
}

/// The page of sorted names that a token stands for; `None` if it is no token.
pub(crate) fn page(names: Vec<String>, token: Option<&str>, most: usize) -> Option<Page> {
    let after = match token.filter(|token| !token.is_empty()) {
        Some(token) => Some(read(token)?),
        None => None,
    };
    let mut items: Vec<String> =
        names.into_iter().filter(|name| after.as_ref().is_none_or(|after| name > after)).collect();
    let has_more = items.len() > most;
    items.truncate(most);
    let next = items.last().filter(|_| has_more).map(|last| write(last));
    Some(Page { items, next })
}

/// The token for what comes after a name.
pub(crate) fn write(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The name that a token stands for.
pub(crate) fn read(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let names = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let first = page(names(), None, 2).unwrap();
        assert_eq!(first.items, ["a", "b"]);
        let second = page(names(), first.next.as_deref(), 2).unwrap();
        assert_eq!(second, Page { items: vec!["c".to_owned()], next: None });
        assert_eq!(page(names(), Some("!"), 2), None);
    }
}
