//! Operations that read parameters.

use super::state::{Parameter, Version};
use super::{Ssm, invalid, missing};
use crate::call::{Answer, Call, Refusal, answer, members};
use crate::pages;
use stepwright_json::{Json, Object, json};

/// Whether a parameter passes a filter of `DescribeParameters`.
struct Filter {
    key: String,
    option: String,
    values: Vec<String>,
}

impl Ssm {
    /// A parameter with a value, as it is shown.
    fn shown(
        &self,
        name: &str,
        selector: Option<&str>,
        (number, version): (i64, &Version),
        opens: bool,
    ) -> Result<Json, Refusal> {
        Ok(members([
            ("Name", Some(name.into())),
            ("Type", Some(version.kind.as_str().into())),
            ("Value", Some(self.value(name, version, opens)?.into())),
            ("Version", Some(number.into())),
            ("Selector", selector.map(|selector| format!(":{selector}").into())),
            ("LastModifiedDate", Some(Json::Float(version.modified as f64 / 1_000.0))),
            ("ARN", Some(self.arn(name).into())),
            ("DataType", Some("text".into())),
        ]))
    }

    /// The parameter that a text names, perhaps with a version or label: `name:3`.
    async fn find(&self, given: &str, opens: bool) -> Result<Json, Refusal> {
        let given = self.named(given);
        let (name, selector) = match given.split_once(':') {
            Some((name, selector)) => (name, Some(selector)),
            None => (given, None),
        };
        let parameter =
            self.kept.with(|parameters, _| parameters.by_name.get(name).cloned()).await?;
        let parameter = parameter.ok_or_else(missing)?;
        let found = match selector {
            Some(selector) => parameter.selected(selector).ok_or_else(|| {
                let why = format!(
                    "Systems Manager could not find version {selector} of {name}. Verify the version and try again."
                );
                Refusal::new("ParameterVersionNotFound", why)
            })?,
            None => parameter.latest().ok_or_else(missing)?,
        };
        self.shown(name, selector, found, opens)
    }

    pub(super) async fn get_parameter(&self, call: &Call<'_>) -> Answer {
        let found = self.find(call.required("Name"), call.flag("WithDecryption")).await?;
        answer(json!({"Parameter": found}))
    }

    pub(super) async fn get_parameters(&self, call: &Call<'_>) -> Answer {
        let names = call.texts("Names");
        if names.len() > 10 {
            return Err(invalid(format!(
                "1 validation error detected: Value '[{}]' at 'names' failed to satisfy constraint: Member must \
                 have length less than or equal to 10.",
                names.join(", ")
            )));
        }
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for name in names {
            match self.find(&name, call.flag("WithDecryption")).await {
                Ok(one) => found.push(one),
                Err(refusal) if refusal.status == Some(500) => return Err(refusal),
                Err(_) => unknown.push(Json::from(name)),
            }
        }
        answer(json!({"Parameters": found, "InvalidParameters": unknown}))
    }

    pub(super) async fn get_parameters_by_path(&self, call: &Call<'_>) -> Answer {
        let path = call.required("Path");
        if !path.starts_with('/') {
            return Err(invalid(format!(
                "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a \
                 forward slash \"/\": {path}"
            )));
        }
        let start = format!("{}/", path.trim_end_matches('/'));
        let is_recursive = call.flag("Recursive");
        let all = self.kept.with(|parameters, _| parameters.by_name.clone()).await?;
        let is_meant = |name: &&String| match name.strip_prefix(&start) {
            Some(rest) => is_recursive || !rest.contains('/'),
            // What is not like a path is at the root.
            None => path == "/" && !name.starts_with('/'),
        };
        let names = all.keys().filter(is_meant).cloned().collect();
        let page = page(call, names, 10)?;
        let shown = page.items.iter().map(|name| {
            let latest = all[name].latest().ok_or_else(missing)?;
            self.shown(name, None, latest, call.flag("WithDecryption"))
        });
        let shown = shown.collect::<Result<Vec<Json>, Refusal>>()?;
        answer(members([
            ("Parameters", Some(shown.into())),
            ("NextToken", page.next.map(Json::from)),
        ]))
    }

    pub(super) async fn get_parameter_history(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call.required("Name"));
        let parameter =
            self.kept.with(|parameters, _| parameters.by_name.get(name).cloned()).await?;
        let parameter = parameter.ok_or_else(missing)?;
        let numbers = parameter.versions.keys().map(|number| format!("{number:012}")).collect();
        let page = page(call, numbers, 50)?;
        let mut shown = Vec::new();
        for number in &page.items {
            let number: i64 = number.parse().unwrap_or_default();
            let Some(version) = parameter.versions.get(&number) else { continue };
            let Json::Object(one) = self.described(name, number, version) else { continue };
            let mut one: Object = one;
            let value = self.value(name, version, call.flag("WithDecryption"))?;
            one.insert("Value", value.into());
            one.remove("ARN");
            let labels: Vec<Json> =
                version.labels.iter().map(|label| label.as_str().into()).collect();
            one.insert("Labels", labels.into());
            shown.push(Json::Object(one));
        }
        answer(members([
            ("Parameters", Some(shown.into())),
            ("NextToken", page.next.map(Json::from)),
        ]))
    }

    /// What is said of a parameter without its value.
    fn described(&self, name: &str, number: i64, version: &Version) -> Json {
        members([
            ("Name", Some(name.into())),
            ("ARN", Some(self.arn(name).into())),
            ("Type", Some(version.kind.as_str().into())),
            ("KeyId", version.is_secure().then(|| "alias/aws/ssm".into())),
            ("LastModifiedDate", Some(Json::Float(version.modified as f64 / 1_000.0))),
            ("LastModifiedUser", Some(format!("arn:aws:iam::{}:root", self.account).into())),
            ("Description", version.description.as_deref().map(Json::from)),
            ("AllowedPattern", version.allowed.as_deref().map(Json::from)),
            ("Version", Some(number.into())),
            ("Tier", Some("Standard".into())),
            ("Policies", Some(Json::from(Vec::<Json>::new()))),
            ("DataType", Some("text".into())),
        ])
    }

    pub(super) async fn describe_parameters(&self, call: &Call<'_>) -> Answer {
        let filters = call.list("ParameterFilters").iter().map(Filter::read);
        let filters = filters.collect::<Result<Vec<Filter>, Refusal>>()?;
        let all = self.kept.with(|parameters, _| parameters.by_name.clone()).await?;
        let is_meant = |(name, parameter): &(&String, &Parameter)| {
            filters.iter().all(|filter| filter.passes(name, parameter))
        };
        let names = all.iter().filter(is_meant).map(|(name, _)| name.clone()).collect();
        let page = page(call, names, 50)?;
        let shown = page.items.iter().filter_map(|name| {
            let (number, version) = all[name].latest()?;
            Some(self.described(name, number, version))
        });
        answer(members([
            ("Parameters", Some(shown.collect::<Vec<Json>>().into())),
            ("NextToken", page.next.map(Json::from)),
        ]))
    }
}

impl Filter {
    fn read(given: &Json) -> Result<Self, Refusal> {
        let text =
            |name: &str| given.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let values = given.get("Values").and_then(Json::as_array).cloned().unwrap_or_default();
        let filter = Self {
            key: text("Key"),
            option: text("Option"),
            values: values.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        };
        let options: &[&str] = match filter.key.as_str() {
            "Name" => &["", "Equals", "BeginsWith", "Contains"],
            "Type" => &["", "Equals"],
            "Path" => &["", "Recursive", "OneLevel"],
            key if key.starts_with("tag:") => &["", "Equals"],
            key => {
                let why = format!(
                    "the local service `ssm` does not have the filter `{key}` of parameters"
                );
                return Err(Refusal::new("InvalidFilterKey", why));
            }
        };
        if !options.contains(&filter.option.as_str()) {
            let why =
                format!("The filter option `{}` is not valid for `{}`.", filter.option, filter.key);
            return Err(Refusal::new("InvalidFilterOption", why));
        }
        Ok(filter)
    }

    fn passes(&self, name: &str, parameter: &Parameter) -> bool {
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().any(|value| test(value));
        match (self.key.as_str(), self.option.as_str()) {
            ("Name", "BeginsWith") => any(&|value| {
                name.trim_start_matches('/').starts_with(value.trim_start_matches('/'))
            }),
            ("Name", "Contains") => any(&|value| name.contains(value)),
            ("Name", _) => any(&|value| name == value),
            ("Type", _) => {
                any(&|value| parameter.latest().is_some_and(|(_, version)| version.kind == value))
            }
            ("Path", option) => any(&|value| {
                let start = format!("{}/", value.trim_end_matches('/'));
                let rest = name.strip_prefix(&start);
                rest.is_some_and(|rest| option == "Recursive" || !rest.contains('/'))
            }),
            (key, _) => {
                let tag = key.strip_prefix("tag:").and_then(|key| parameter.tags.get(key));
                tag.is_some_and(|tag| self.values.is_empty() || any(&|value| tag == value))
            }
        }
    }
}

fn page(call: &Call<'_>, names: Vec<String>, most: i64) -> Result<pages::Page, Refusal> {
    let asked = call.int("MaxResults").unwrap_or(most);
    if !(1..=most).contains(&asked) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{asked}' at 'maxResults' failed to satisfy constraint: Member must \
             have value less than or equal to {most}."
        )));
    }
    pages::page(names, call.text("NextToken"), asked as usize)
        .ok_or_else(|| Refusal::new("InvalidNextToken", "The specified token isn't valid."))
}
