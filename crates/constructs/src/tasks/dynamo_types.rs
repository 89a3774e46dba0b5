use crate::fields::choices;
use crate::resources::Table;
use crate::tasks::Plan;
use crate::text::{local_arn, text};
use crate::value::Value;
use crate::{At, Flag, Items, Jsonata, Num, Str, kind};

/// A DynamoDB value with its type.
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "DynamoAttributeValue")]
pub struct AttributeValue(Value);

impl AttributeValue {
    /// A value with an explicit type: `AttributeValue::of("S", "text")`.
    pub fn of(kind: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::Scalar(number) if kind == "N" && number.as_f64().is_some() => {
                Value::Refused(format!(
                    "DynamoDB takes the number {number} as text: write `AttributeValue::number`",
                ))
            }
            value => value,
        };
        Self(Value::Object(vec![(kind.to_owned(), value)]))
    }

    /// Text.
    pub fn string(value: impl Into<Str>) -> Self {
        Self::of("S", value.into())
    }

    /// A number, which is sent to DynamoDB as text.
    pub fn number(value: impl Into<Num>) -> Self {
        let value = match Value::from(value.into()) {
            Value::Scalar(number) => number.to_string().into(),
            computed => computed,
        };
        Self::of("N", value)
    }

    /// A number that is given as text.
    pub fn number_from_string(value: impl Into<Str>) -> Self {
        Self::of("N", value.into())
    }

    /// Bytes, as base64.
    pub fn binary(value: impl Into<Str>) -> Self {
        Self::of("B", value.into())
    }

    /// A set of texts.
    pub fn string_set(values: impl Into<Items>) -> Self {
        Self::of("SS", values.into())
    }

    /// A set of numbers.
    pub fn number_set(values: impl IntoIterator<Item = f64>) -> Self {
        let text = |value: f64| {
            if value.fract() == 0.0 { (value as i64).to_string() } else { value.to_string() }
        };
        Self::of("NS", values.into_iter().map(text).collect::<Vec<_>>())
    }

    /// A set of numbers that are given as texts.
    pub fn number_set_from_strings(values: impl Into<Items>) -> Self {
        Self::of("NS", values.into())
    }

    /// A set of bytes, as base64.
    pub fn binary_set(values: impl Into<Items>) -> Self {
        Self::of("BS", values.into())
    }

    /// A map.
    pub fn map<K: Into<String>>(members: impl IntoIterator<Item = (K, AttributeValue)>) -> Self {
        let members = members.into_iter().map(|(key, value)| (key.into(), value.0)).collect();
        Self::of("M", Value::Object(members))
    }

    /// A computed map: `object_at("$.m")`, or JSONata.
    pub fn map_at(value: impl Into<Computed<kind::Object>>) -> Self {
        Self::of("M", value.into().0)
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = AttributeValue>) -> Self {
        Self::of("L", items.into_iter().map(|item| item.0).collect::<Vec<_>>())
    }

    /// A computed list: `list_at("$.l")`, or JSONata.
    pub fn list_at(value: impl Into<Computed<kind::List>>) -> Self {
        Self::of("L", value.into().0)
    }

    /// Null.
    pub fn null(value: bool) -> Self {
        Self::of("NULL", value)
    }

    /// A boolean.
    pub fn boolean(value: impl Into<Flag>) -> Self {
        Self::of("BOOL", value.into())
    }
}

impl From<AttributeValue> for Value {
    fn from(value: AttributeValue) -> Self {
        value.0
    }
}

/// Something that is computed when the state runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Computed<K>(Value, std::marker::PhantomData<K>);

impl<K> From<At<K>> for Computed<K> {
    fn from(at: At<K>) -> Self {
        Self(at.into(), std::marker::PhantomData)
    }
}

impl<K> From<Jsonata> for Computed<K> {
    fn from(jsonata: Jsonata) -> Self {
        Self(jsonata.into(), std::marker::PhantomData)
    }
}

/// An attribute to read, or a part of one.
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "DynamoProjectionExpression")]
pub struct ProjectionExpression(String);

impl ProjectionExpression {
    /// An expression without attributes yet, for [`with_attribute`](Self::with_attribute).
    #[doc(alias = "withAttribute")]
    #[expect(clippy::new_without_default, reason = "without attributes it says nothing")]
    pub fn new() -> Self {
        Self(String::new())
    }

    /// An attribute.
    pub fn attribute(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A member of the attribute.
    #[must_use]
    pub fn with_attribute(self, name: &str) -> Self {
        Self(if self.0.is_empty() { name.to_owned() } else { format!("{}.{name}", self.0) })
    }

    /// An element of the attribute.
    #[must_use]
    pub fn at_index(self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl From<ProjectionExpression> for String {
    fn from(expression: ProjectionExpression) -> Self {
        expression.0
    }
}

choices! {
    /// How much the response says about the consumed capacity.
    #[doc(alias = "DynamoConsumedCapacity")]
    pub enum ConsumedCapacity {
        /// The capacity of the table and of each index.
        Indexes = "INDEXES",
        /// The total capacity.
        Total = "TOTAL",
        /// Nothing.
        None = "NONE",
    }
}

choices! {
    /// Whether the response contains the size of the item's collection.
    #[doc(alias = "DynamoItemCollectionMetrics")]
    pub enum ItemCollectionMetrics {
        /// The size.
        Size = "SIZE",
        /// Nothing.
        None = "NONE",
    }
}

choices! {
    /// Which attributes of the item the response contains.
    #[doc(alias = "DynamoReturnValues")]
    pub enum ReturnValues {
        /// None.
        None = "NONE",
        /// All attributes before the change.
        AllOld = "ALL_OLD",
        /// The changed attributes before the change.
        UpdatedOld = "UPDATED_OLD",
        /// All attributes after the change.
        AllNew = "ALL_NEW",
        /// The changed attributes after the change.
        UpdatedNew = "UPDATED_NEW",
    }
}

/// Plans an action on one table, as all DynamoDB tasks do.
pub(crate) fn plan_table(plan: &mut Plan, table: &Table, action: &str) {
    plan.service("dynamodb", action);
    plan.uses(table.resources());
    let permission = format!("dynamodb:{}{}", action[..1].to_uppercase(), &action[1..]);
    let arn = local_arn("dynamodb", text!("table/", table.name()));
    plan.allow(&[permission.as_str()], [arn]);
    plan.put("TableName", table.name());
}
