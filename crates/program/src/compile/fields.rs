use stepwright_json::Json;
use stepwright_json::tree::Node;

/// An object of the definition, and where it stands, as AWS writes it.
pub(super) struct Fields<'d> {
    pub(super) node: &'d Node,
    pub(super) location: String,
}

impl<'d> Fields<'d> {
    pub(super) fn get(&self, key: &str) -> Option<&'d Node> {
        self.node.get(key)
    }

    pub(super) fn child(&self, key: &str) -> Option<Fields<'d>> {
        let node = self.node.get(key)?;
        Some(Fields { node, location: format!("{}/{key}", self.location) })
    }

    /// The objects of the array `key`.
    pub(super) fn items(&self, key: &str) -> Vec<Fields<'d>> {
        let items = self.node.get(key).map_or(&[] as &[Node], Node::items);
        items
            .iter()
            .enumerate()
            .map(|(at, node)| Fields { node, location: format!("{}/{key}[{at}]", self.location) })
            .collect()
    }

    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        self.node.get(key).and_then(Node::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.node.get(key).and_then(Node::as_scalar).and_then(Json::as_bool)
    }
}
