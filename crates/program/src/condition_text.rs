use crate::choice::{Comparison, Condition, Operand};
use crate::expression::Expression;
use std::fmt;
use stepwright_json::Json;

impl fmt::Display for Condition {
    /// Formats a condition for people: `$.amount > 100 and $.card is present`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&condition(self, 0))
    }
}

fn condition(meant: &Condition, depth: usize) -> String {
    if depth > 8 {
        return "…".to_owned();
    }
    let join = |parts: &[Condition], word: &str| {
        parts.iter().map(|part| condition(part, depth + 1)).collect::<Vec<_>>().join(word)
    };
    match meant {
        Condition::And(parts) => join(parts, " and "),
        Condition::Or(parts) => join(parts, " or "),
        Condition::Not(part) => format!("not ({})", condition(part, depth + 1)),
        Condition::Jsonata(Expression::Jsonata { expression, .. }) => expression.text().to_owned(),
        Condition::Jsonata(_) => String::new(),
        Condition::Test(test) => {
            let variable = test.variable.text.as_str();
            let is = |flag: &bool, what: &str| {
                format!("{variable} is {}{what}", if *flag { "" } else { "not " })
            };
            match &test.comparison {
                Comparison::String(orderings, operand)
                | Comparison::Numeric(orderings, operand)
                | Comparison::Timestamp(orderings, operand) => {
                    use std::cmp::Ordering::{Equal, Greater, Less};
                    let sign = match orderings {
                        [Equal] => "==",
                        [Less] => "<",
                        [Greater] => ">",
                        [Less, Equal] => "<=",
                        _ => ">=",
                    };
                    format!("{variable} {sign} {}", operand_text(operand))
                }
                Comparison::Boolean(operand) => match operand {
                    Operand::Literal(Json::Bool(true)) => variable.to_owned(),
                    Operand::Literal(Json::Bool(false)) => format!("not {variable}"),
                    other => format!("{variable} == {}", operand_text(other)),
                },
                Comparison::Matches(pattern) => format!("{variable} ~ '{pattern}'"),
                Comparison::IsNull(flag) => is(flag, "null"),
                Comparison::IsPresent(flag) => is(flag, "present"),
                Comparison::IsString(flag) => is(flag, "a string"),
                Comparison::IsNumeric(flag) => is(flag, "a number"),
                Comparison::IsBoolean(flag) => is(flag, "a boolean"),
                Comparison::IsTimestamp(flag) => is(flag, "a timestamp"),
            }
        }
    }
}

fn operand_text(operand: &Operand) -> String {
    match operand {
        Operand::Literal(Json::String(text)) => format!("'{text}'"),
        Operand::Literal(value) => value.to_string(),
        Operand::Path(path) => path.text.to_string(),
    }
}
