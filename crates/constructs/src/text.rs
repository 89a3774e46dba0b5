use stepwright_json::{Json, Object, json};

/// Text of a template: literal pieces, and places that CloudFormation fills in.
///
/// The name of a function that is defined in the same template is not known before the template is
/// deployed. [`Text`] holds such a name beside plain text, so that an ARN or a message can be put
/// together from both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub(crate) Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Literal(String),
    Token(Token),
}

/// A place that CloudFormation fills in: how it reads in a definition that is run as it is, and the
/// intrinsic function of CloudFormation.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    readable: String,
    cloudformation: Json,
}

impl Token {
    /// `Ref`: the name of a resource, or the value of a parameter.
    pub fn reference(logical_id: &str) -> Self {
        Self { readable: format!("${{{logical_id}}}"), cloudformation: json!({"Ref": logical_id}) }
    }

    /// `Fn::GetAtt`: an attribute of a resource.
    pub fn attribute(logical_id: &str, attribute: &str) -> Self {
        Self {
            readable: format!("${{{logical_id}.{attribute}}}"),
            cloudformation: json!({"Fn::GetAtt": [logical_id, attribute]}),
        }
    }

    /// The partition: `aws`, but for regions in China and of governments.
    pub fn partition() -> Self {
        Self { readable: "aws".into(), cloudformation: json!({"Ref": "AWS::Partition"}) }
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

    /// The part at `index` of a text that is split at `separator`.
    pub fn part(text: &Text, separator: &str, index: usize) -> Self {
        let split = format!("${{Split:{separator}:{}}}", text.readable());
        let parts = json!({"Fn::Split": [separator, (text.to_cloudformation())]});
        Self {
            readable: format!("${{Select:{index}:'{split}'}}"),
            cloudformation: json!({"Fn::Select": [index, (parts)]}),
        }
    }
}

impl Text {
    /// Text without any place to fill in.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self(Vec::new()) } else { Self(vec![Piece::Literal(text)]) }
    }

    /// This text and then another.
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

    /// The text, if no place is left to fill in.
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
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

    /// The text as a value of a template: a string, an intrinsic function, or a `Fn::Join`.
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

/// Puts [`Text`] together from its arguments: strings, tokens and other texts.
macro_rules! text {
    ($($part:expr),* $(,)?) => {
        $crate::text::Text::default()$(.and($part))*
    };
}
pub(crate) use text;

/// The start of an ARN, `arn:PARTITION:`, and what follows.
pub(crate) fn arn(rest: impl Into<Text>) -> Text {
    text!("arn:", Token::partition(), ":").and(rest)
}

/// An ARN of the stack's region and account: `arn:PARTITION:service:REGION:ACCOUNT:` and what follows.
pub(crate) fn local_arn(service: &str, rest: impl Into<Text>) -> Text {
    arn(text!(service, ":", Token::region(), ":", Token::account(), ":")).and(rest)
}
