//! Functions that return a fixed answer.

use stepwright_json::{Json, Object};

/// Converts a value of the configuration to JSON.
pub fn json(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => Json::Int(*number),
        toml::Value::Float(number) => Json::Float(*number),
        toml::Value::Boolean(flag) => Json::Bool(*flag),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => {
            table.iter().map(|(key, value)| (key.as_str(), json(value))).collect::<Object>().into()
        }
    }
}
