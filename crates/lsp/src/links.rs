//! Links to the files that a document names.

use crate::analysis::Analysis;
use crate::uri;
use crate::values::range;
use stepwright_json::{Json, json};
use stepwright_source::Span;

/// A place that names a file.
pub(crate) struct Link {
    pub(crate) span: Span,
    pub(crate) target: String,
}

/// The places that name files which the document needs.
pub(crate) fn all(analysis: &Analysis) -> Vec<Link> {
    let text = analysis.text.as_str();
    let folder = analysis.path.parent().unwrap_or(std::path::Path::new(""));
    let mut found = Vec::new();
    for file in &analysis.files {
        let Ok(name) = file.strip_prefix(folder) else { continue };
        let name = name.to_string_lossy();
        for (at, _) in text.match_indices(&*name) {
            let before = text[..at].trim_end_matches("./").chars().next_back();
            let after = text[at + name.len()..].chars().next();
            let is_whole = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '/');
            if is_whole(before) && is_whole(after.filter(|c| *c != '.')) {
                let span = Span::new(at, at + name.len());
                found.push(Link { span, target: uri::of(file) });
            }
        }
    }
    found.sort_by_key(|link| link.span);
    found
}

/// The link at a place.
pub(crate) fn at(analysis: &Analysis, offset: usize) -> Option<Link> {
    let touches = |span: Span| span.start as usize <= offset && offset <= span.end as usize;
    all(analysis).into_iter().find(|link| touches(link.span))
}

pub(crate) fn links(analysis: &Analysis) -> Json {
    let link =
        |link: Link| json!({"range": (range(&analysis.text, link.span)), "target": (link.target)});
    all(analysis).into_iter().map(link).collect::<Vec<Json>>().into()
}
