//! The names of functions.

/// A function's name, split into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FunctionName<'t> {
    pub(crate) name: &'t str,
    pub(crate) qualifier: Option<&'t str>,
}

impl<'t> FunctionName<'t> {
    /// Parses `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` or an ARN, with or without a
    /// qualifier. Any other text is taken as a name.
    pub(crate) fn parse(text: &'t str) -> Self {
        let short = match text.split_once(":function:") {
            Some((_, short)) => short,
            None => text.strip_prefix("function:").unwrap_or(text),
        };
        let is_other_arn = short.starts_with("arn:");
        match short.split_once(':').filter(|_| !is_other_arn) {
            Some((name, qualifier)) => Self { name, qualifier: Some(qualifier) },
            None => Self { name: short, qualifier: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let check = |text, name, qualifier| {
            assert_eq!(FunctionName::parse(text), FunctionName { name, qualifier }, "{text}");
        };
        check("f", "f", None);
        check("f:prod", "f", Some("prod"));
        check("f:$LATEST", "f", Some("$LATEST"));
        check("123456789012:function:f", "f", None);
        check("function:f", "f", None);
        check("arn:aws:lambda:us-east-1:123456789012:function:f", "f", None);
        check("arn:aws:lambda:us-east-1:123456789012:function:f:7", "f", Some("7"));
        check("arn:aws:states:::sqs:sendMessage", "arn:aws:states:::sqs:sendMessage", None);
    }
}
