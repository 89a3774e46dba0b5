use crate::chain::{Chain, Chainable, Nextable, go_to};
use crate::common::{DataPath, WithData, WithResultPath};
use crate::condition::Condition;
use crate::fragments::JsonReferencePath;
use crate::json_path::{json_merge, object_at};
use crate::object;
use crate::states::{Choice, Pass};
use crate::value::Value;

/// Wraps a chain in a Parallel state, whose result is that of the chain and not a list with it.
///
/// Without `input_path`, the chain gets the whole data. Without `result_path`, the result replaces
/// what the chain got; [`DISCARD`](crate::DISCARD) throws the result away.
///
/// ```
/// use stepwright_constructs::fragments::enclose_chainable;
/// use stepwright_constructs::prelude::*;
///
/// let chain = Pass::new("P").next(Pass::new("Q"));
/// let enclosed = enclose_chainable("Work", chain, Some("$.request"), Some("$.response".into()));
/// assert!(StateMachine::new("Working", enclosed).asl().is_ok());
/// ```
pub fn enclose_chainable(
    id: &str,
    definition: impl Chainable,
    input_path: Option<&str>,
    result_path: Option<DataPath>,
) -> Chain {
    let input_path = input_path.unwrap_or("$");
    let result_path = result_path.unwrap_or_else(|| input_path.into());
    let chain = definition.into_chain();
    // A fragment keeps its own name, and its states get the name as their prefix.
    let parallel = match chain.fragment.clone() {
        Some(fragment) => chain.prefix_states(&format!("{fragment}: ")).to_single_state(fragment),
        None => chain.to_single_state(format!("{id} Enclosure")),
    };
    let parallel = parallel.input_path(input_path).result_path(result_path.clone());
    match result_path.0.as_literal() {
        Some(path) => parallel.next(
            Pass::new(format!("{id} Enclosure Post"))
                .input_path(format!("{path}[0]"))
                .result_path(result_path),
        ),
        None => parallel.into_chain(),
    }
}

/// The same as [`enclose_chainable`].
pub fn enclosed_chain(
    id: &str,
    definition: impl Chainable,
    input_path: Option<&str>,
    result_path: Option<DataPath>,
) -> Chain {
    enclose_chainable(id, definition, input_path, result_path)
}

/// Merges defaults into an object of the data, for members that it does not have.
///
/// ```
/// use stepwright_constructs::fragments::MergeDefaults;
/// use stepwright_constructs::prelude::*;
///
/// let merge = MergeDefaults::new("Merge", object! {"memory": 1024, "vcpus": 1})
///     .target_path("$.options")
///     .check_if_target_present();
/// assert!(StateMachine::new("Merging", merge).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MergeDefaults {
    id: String,
    defaults: Value,
    input_path: String,
    target_path: String,
    result_path: Option<String>,
    defaults_win: bool,
    check_presence: bool,
}

impl MergeDefaults {
    /// Merges defaults into the whole data.
    pub fn new(id: impl Into<String>, defaults: impl Into<Value>) -> Self {
        Self {
            id: id.into(),
            defaults: defaults.into(),
            input_path: "$".into(),
            target_path: "$".into(),
            result_path: None,
            defaults_win: false,
            check_presence: false,
        }
    }

    /// The part of the data that the fragment works on.
    #[must_use]
    pub fn input_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.input_path);
        self
    }

    /// The object within it into which the defaults are merged.
    #[must_use]
    pub fn target_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.target_path);
        self
    }

    /// Where the result is put. By default it replaces the object.
    #[must_use]
    pub fn result_path(mut self, path: &str) -> Self {
        self.result_path = Some(path.to_owned());
        self
    }

    /// The defaults take precedence over existing members.
    #[must_use]
    pub fn prefer_defaults(mut self) -> Self {
        self.defaults_win = true;
        self
    }

    /// Allows the object to be missing.
    #[must_use]
    pub fn check_if_target_present(mut self) -> Self {
        self.check_presence = true;
        self
    }
}

impl Chainable for MergeDefaults {
    fn into_chain(self) -> Chain {
        let input = JsonReferencePath::new(&self.input_path);
        let target = JsonReferencePath::new(&self.target_path);
        let result = match &self.result_path {
            Some(path) => JsonReferencePath::new(path),
            None => input.extend(&[&target.to_string()]),
        };
        let (below, above) =
            if self.defaults_win { ("$.target", "$.default") } else { ("$.default", "$.target") };
        let merge = Pass::new("Merge Pass")
            .parameters(object! {"merged": json_merge(object_at(below), object_at(above))})
            .output_path("$.merged");
        let defaults = self.defaults;
        let with = |id: &str, target: Value| {
            Pass::new(id).parameters(object! {"target": target, "default": &defaults})
        };
        let there = || Value::from(target.as_jsonpath_object());
        let definition = if self.check_presence {
            Choice::new("Check Target")
                .when(
                    Condition::is_present(&target.as_reference()),
                    with("Target Present", there()).next(merge),
                )
                .otherwise(with("Target Not Present", Value::empty()).next(go_to("Merge Pass")))
                .into_chain()
        } else {
            with("Init Pass", there()).next(merge)
        };
        let result = result.as_reference();
        definition
            .to_single_state(&self.id)
            .input_path(input.as_reference())
            .result_path(result.as_str())
            .next(
                Pass::new(format!("{} Restructure", self.id))
                    .input_path(format!("{result}[0]"))
                    .result_path(result),
            )
    }
}

impl Nextable for MergeDefaults {}
