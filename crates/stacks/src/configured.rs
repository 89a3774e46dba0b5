//! `[resources]` of `stepwright.toml`: what a template would declare, without a template.

use serde::Deserialize;
use std::collections::BTreeMap;
use stepwright_asl::Template;
use stepwright_functions::json_of_toml;
use stepwright_json::{Json, Object, Str, json};

/// One entry: what a template of `CloudFormation` says of a resource.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ResourceConfig {
    /// Its type: `AWS::SQS::Queue`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its properties. References are written as in JSON: `{ "Fn::GetAtt" = ["Failed", "Arn"] }`.
    pub properties: Option<toml::Value>,
}

/// The entries as a template; none if there are none.
pub fn template(resources: &BTreeMap<String, ResourceConfig>) -> Option<Template> {
    if resources.is_empty() {
        return None;
    }
    let resource = |(name, resource): (&String, &ResourceConfig)| {
        let properties = resource.properties.as_ref().map(json_of_toml);
        let properties = properties.unwrap_or_else(|| Json::Object(Object::new()));
        let kind = resource.kind.as_str();
        (Str::from(name.as_str()), json!({"Type": kind, "Properties": properties}))
    };
    let resources: Object = resources.iter().map(resource).collect();
    let text = json!({"Resources": resources}).to_string();
    Template::read(text.as_bytes(), "stepwright.toml.json").0
}
