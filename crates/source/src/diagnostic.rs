use crate::{Change, Fix, Span};

/// How bad it is. An error stops a definition from being stored; a warning does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The definition cannot be used.
    Error,
    /// The definition works, but probably not as meant.
    Warning,
    /// A remark.
    Note,
}

/// A place besides the main one, with a few words on why it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What to see there.
    pub message: String,
}

/// One complaint about a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The name of the rule, as users write it: AWS's (`SCHEMA_VALIDATION_FAILED`) where AWS has
    /// the rule, ours (`unreachable-state`) otherwise.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in AWS's words where AWS has the rule.
    pub message: String,
    /// Where, as AWS writes it: `/States/X/Next`. `None` where AWS gives no place.
    pub location: Option<String>,
    /// Where in the text. `None` when the text has no such place.
    pub span: Option<Span>,
    /// A few words printed under the marked text.
    pub label: Option<String>,
    /// Further places.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// What a tool can do about it, the likeliest first.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    fn new(code: &'static str, severity: Severity, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            location: None,
            span: None,
            label: None,
            labels: Vec::new(),
            help: None,
            fixes: Vec::new(),
        }
    }

    /// With AWS's location.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// With the place in the text.
    #[must_use]
    pub fn span(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// With words under the marked text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With a further place.
    #[must_use]
    pub fn also(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With the advice that `to` was meant where `from` stands, which is at the place of the
    /// diagnostic.
    #[must_use]
    pub fn meant(self, from: &str, to: &str) -> Self {
        let mut diagnostic = self.help(format!("did you mean `{to}`?"));
        if let Some(span) = diagnostic.span {
            diagnostic = diagnostic.rename(span, from, to);
        }
        diagnostic
    }

    /// With a fix that replaces the text `from` at `span` by `to`.
    #[must_use]
    pub fn rename(mut self, span: Span, from: &str, to: &str) -> Self {
        let title = format!("Change to `{to}`");
        let change = Change::Rename { span, from: from.to_owned(), to: to.to_owned() };
        self.fixes.push(Fix { title, change });
        self
    }

    /// With a fix that adds a member, whose value is given as JSON, to the object at `object`.
    #[must_use]
    pub fn insert(mut self, object: Span, key: &str, value: &str) -> Self {
        let title = format!("Add `\"{key}\": {value}`");
        let change = Change::Insert { object, key: key.to_owned(), value: value.to_owned() };
        self.fixes.push(Fix { title, change });
        self
    }

    /// Moves every place in it towards the end of the text.
    pub fn move_by(&mut self, bytes: u32) {
        let spans = self.span.iter_mut().chain(self.labels.iter_mut().map(|label| &mut label.span));
        let fixes = self.fixes.iter_mut().map(|fix| match &mut fix.change {
            Change::Rename { span, .. } => span,
            Change::Insert { object, .. } => object,
        });
        for span in spans.chain(fixes) {
            span.start = span.start.saturating_add(bytes);
            span.end = span.end.saturating_add(bytes);
        }
    }

    /// Whether it stops the definition from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
