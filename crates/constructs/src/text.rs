use crate::resources::Resource;
use std::fmt;
use std::sync::Arc;
use stepwright_json::{Json, Object, json};

/// Text in a template: literal pieces, and placeholders that CloudFormation fills in.
///
/// The name of a function that is defined in the same template is not known before deployment.
/// [`Text`] can hold such a name next to plain text, so that an ARN or a message can be assembled
/// from both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub(crate) Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Literal(String),
    Token(Token),
}

/// A placeholder that CloudFormation fills in: how it is written in a definition that is run
/// locally, and CloudFormation's intrinsic function.
///
/// A token of a handle carries the resources that the handle defines. Wherever the token is used,
/// the template contains them.
#[derive(Clone)]
pub struct Token {
    readable: String,
    cloudformation: Json,
    defines: Option<Arc<[Resource]>>,
}

/// Tokens are equal if they stand for the same.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.readable == other.readable && self.cloudformation == other.cloudformation
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.readable)
    }
}

impl Token {
    fn of(readable: String, cloudformation: Json) -> Self {
        Self { readable, cloudformation, defines: None }
    }

    /// `Ref`: the name of a resource of the stack, which is added with
    /// [`Stack::resource`](crate::Stack::resource).
    pub fn reference(logical_id: &str) -> Self {
        Self::of(format!("${{{logical_id}}}"), json!({"Ref": logical_id}))
    }

    /// `Fn::GetAtt`: an attribute of a resource of the stack.
    pub fn attribute(logical_id: &str, attribute: &str) -> Self {
        Self::of(
            format!("${{{logical_id}.{attribute}}}"),
            json!({"Fn::GetAtt": [logical_id, attribute]}),
        )
    }

    /// A parameter, which the template then has: a text that is given when the stack is deployed.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let pass = Pass::new("Where").result(object! {"subnet": Token::parameter("Subnet")});
    /// let template = StateMachine::new("Machine", pass).template()?.to_json();
    /// assert!(template.get("Parameters").unwrap().get("Subnet").is_some());
    /// # Ok::<(), Misuses>(())
    /// ```
    pub fn parameter(name: &str) -> Self {
        let id = parameter_id(name);
        let parameter = Resource::parameter(&id, format!("The value of {name}"));
        Self { defines: Some(Arc::from([parameter])), ..Self::reference(&id) }
    }

    /// A placeholder in a definition that is given as text, `${Name}` or `${Name.Attribute}`. It
    /// becomes a parameter of the template, whose id has no dots.
    pub(crate) fn place(name: &str) -> Self {
        let cloudformation = match name {
            pseudo if pseudo.starts_with("AWS::") => json!({"Ref": pseudo}),
            other => json!({"Ref": (parameter_id(other))}),
        };
        Self::of(format!("${{{name}}}"), cloudformation)
    }

    /// The partition: `aws`, except for regions in China and of governments.
    pub fn partition() -> Self {
        Self::of("aws".into(), json!({"Ref": "AWS::Partition"}))
    }

    /// The region of the stack.
    pub fn region() -> Self {
        Self::reference("AWS::Region")
    }

    /// The account of the stack.
    pub fn account() -> Self {
        Self::reference("AWS::AccountId")
    }

    /// The domain of AWS's endpoints.
    pub fn url_suffix() -> Self {
        Self::reference("AWS::URLSuffix")
    }

    /// The part at `index` of a text after splitting it at `separator`.
    pub fn part(text: &Text, separator: &str, index: usize) -> Self {
        let split = format!("${{Split:{separator}:{}}}", text.readable());
        let parts = json!({"Fn::Split": [separator, (text.to_cloudformation())]});
        let resources: Vec<Resource> = text.defined().cloned().collect();
        Self {
            readable: format!("${{Select:{index}:'{split}'}}"),
            cloudformation: json!({"Fn::Select": [index, (parts)]}),
            defines: (!resources.is_empty()).then(|| Arc::from(resources)),
        }
    }
}

/// The id of the parameter for a placeholder in a definition.
pub(crate) fn parameter_id(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

impl Text {
    /// Text without placeholders.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self(Vec::new()) } else { Self(vec![Piece::Literal(text)]) }
    }

    /// This text followed by another.
    #[must_use]
    pub fn and(mut self, other: impl Into<Text>) -> Self {
        for piece in other.into().0 {
            match (self.0.last_mut(), piece) {
                (Some(Piece::Literal(last)), Piece::Literal(text)) => last.push_str(&text),
                (_, piece) => self.0.push(piece),
            }
        }
        self
    }

    /// The text, if it contains no placeholders.
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The text, whose tokens carry these resources.
    pub(crate) fn carrying(mut self, resources: &[Resource]) -> Self {
        if resources.is_empty() {
            return self;
        }
        let shared: Arc<[Resource]> = Arc::from(resources);
        for piece in &mut self.0 {
            if let Piece::Token(token) = piece {
                token.defines.get_or_insert_with(|| Arc::clone(&shared));
            }
        }
        self
    }

    /// The resources that its tokens carry.
    pub(crate) fn defined(&self) -> impl Iterator<Item = &Resource> {
        self.0.iter().flat_map(|piece| match piece {
            Piece::Token(token) => token.defines.as_deref().unwrap_or_default(),
            Piece::Literal(_) => &[],
        })
    }

    /// The text with every literal piece changed.
    pub(crate) fn map_literals(&self, change: impl Fn(&str) -> String) -> Self {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(literal) => Piece::Literal(change(literal)),
            token @ Piece::Token(_) => token.clone(),
        };
        Self(self.0.iter().map(piece).collect())
    }

    /// The names of the placeholders, without repetitions.
    pub(crate) fn places(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for piece in &self.0 {
            if let Piece::Token(token) = piece
                && !names.contains(&token.readable)
            {
                names.push(token.readable.clone());
            }
        }
        names
    }

    /// The text with `${Name}` for what CloudFormation fills in.
    pub fn readable(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.as_str(),
                Piece::Token(token) => token.readable.as_str(),
            })
            .collect()
    }

    /// The text as JSON for a template: a string, an intrinsic function, or a `Fn::Join`.
    pub fn to_cloudformation(&self) -> Json {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => Json::from(text.as_str()),
            Piece::Token(token) => token.cloudformation.clone(),
        };
        match self.0.as_slice() {
            [] => "".into(),
            [single] => piece(single),
            pieces => {
                let parts: Vec<Json> = pieces.iter().map(piece).collect();
                let mut join = Object::new();
                join.insert("Fn::Join", vec!["".into(), Json::from(parts)].into());
                join.into()
            }
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::literal(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::literal(text)
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl From<Token> for Text {
    fn from(token: Token) -> Self {
        Self(vec![Piece::Token(token)])
    }
}

/// Concatenates its arguments to a [`Text`]: strings, tokens and other texts.
macro_rules! text {
    ($($part:expr),* $(,)?) => {
        $crate::text::Text::default()$(.and($part))*
    };
}
pub(crate) use text;

/// An ARN: `arn:PARTITION:`, followed by the rest.
pub(crate) fn arn(rest: impl Into<Text>) -> Text {
    text!("arn:", Token::partition(), ":").and(rest)
}

/// An ARN in the stack's region and account: `arn:PARTITION:service:REGION:ACCOUNT:`, followed by
/// the rest.
pub(crate) fn local_arn(service: &str, rest: impl Into<Text>) -> Text {
    arn(text!(service, ":", Token::region(), ":", Token::account(), ":")).and(rest)
}
