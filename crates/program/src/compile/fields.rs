use stepwright_json::Json;
use stepwright_json::tree::Node;

/// An object of the definition, and where it stands, as AWS writes it.
pub(super) struct Fields<'d> {
    pub(super) node: &'d Node,
    pub(super) location: String,
    /// Where it stands within its state: empty for the state itself, `Catch[1]/`.
    pub(super) trail: String,
}

impl<'d> Fields<'d> {
    pub(super) fn get(&self, key: &str) -> Option<&'d Node> {
        self.node.get(key)
    }

    pub(super) fn child(&self, key: &str) -> Option<Fields<'d>> {
        let node = self.node.get(key)?;
        let (location, trail) = self.place(key);
        Some(Fields { node, location, trail })
    }

    /// The objects of the array `key`.
    pub(super) fn items(&self, key: &str) -> Vec<Fields<'d>> {
        let items = self.node.get(key).map_or(&[] as &[Node], Node::items);
        items
            .iter()
            .enumerate()
            .map(|(at, node)| {
                let (location, trail) = self.place(&format!("{key}[{at}]"));
                Fields { node, location, trail }
            })
            .collect()
    }

    fn place(&self, key: &str) -> (String, String) {
        (format!("{}/{key}", self.location), format!("{}{key}/", self.trail))
    }

    /// Where a field stands within the state, as AWS names it when it cannot be computed.
    pub(super) fn trail_of(&self, key: &str) -> String {
        format!("{}{key}", self.trail)
    }

    /// Where the state stands.
    pub(super) fn state(&self) -> &str {
        let within = self.trail.len();
        &self.location[..self.location.len() - within]
    }

    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        self.node.get(key).and_then(Node::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.node.get(key).and_then(Node::as_scalar).and_then(Json::as_bool)
    }
}
