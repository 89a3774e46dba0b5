use stepwright_json::{Array, Json};

/// The input of an operation, after validation: its members have the types of the model.
#[derive(Clone, Debug, Default)]
pub struct Request(Json);

impl Request {
    /// A request with this body.
    pub fn new(body: Json) -> Self {
        Self(body)
    }

    /// The body.
    pub fn body(&self) -> &Json {
        &self.0
    }

    /// The member with this name, unless it is missing or null.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text member.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Json::as_str)
    }

    /// A text member that the model requires.
    pub fn required(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// An integer member.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Json::as_i64)
    }

    /// A number member.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name).and_then(Json::as_f64)
    }

    /// A boolean member; false if it is missing.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Json::as_bool).unwrap_or_default()
    }

    /// A list member; empty if it is missing.
    pub fn list(&self, name: &str) -> Array {
        self.get(name).and_then(Json::as_array).cloned().unwrap_or_default()
    }
}
