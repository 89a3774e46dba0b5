use std::collections::BTreeMap;

/// The fields of a form, or the parameters of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads `a=1&b=2`. Of two fields with one name, the first one counts.
    pub fn read(bytes: &[u8]) -> Self {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            fields.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self(fields)
    }

    /// A field, if it is given and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A field; nothing if it is not given.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A field that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// A path with parameters.
pub(crate) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(given);
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_says_is_read_back() {
        let hostile = "a&b=c d\u{202e}\0<é>";
        let path = link("/console", &[("arn", hostile), ("none", ""), ("x", "1")]);
        let fields = Fields::read(path.split_once('?').expect("it has parameters").1.as_bytes());
        assert_eq!(fields.get("arn"), Some(hostile));
        assert_eq!((fields.get("none"), fields.number("x")), (None, Some(1)));
        assert_eq!(Fields::read(b"a=1&a=2").get("a"), Some("1"));
    }
}
