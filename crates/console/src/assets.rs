//! The style sheet, the script and the icon. A debug build reads them from the folder that
//! `STEPWRIGHT_CONSOLE_ASSETS` names, so that changes are seen without a build.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use std::borrow::Cow;

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(crate) fn asset(name: &'static str) -> Response {
    let (kind, text) = match name {
        "console.css" => ("text/css; charset=utf-8", include_str!("../assets/console.css")),
        "icon.svg" => ("image/svg+xml", include_str!("../assets/icon.svg")),
        "base.js" => (SCRIPT, include_str!("../assets/base.js")),
        "data.js" => (SCRIPT, include_str!("../assets/data.js")),
        "drawing.js" => (SCRIPT, include_str!("../assets/drawing.js")),
        _ => (SCRIPT, include_str!("../assets/console.js")),
    };
    let mut response = Response::new(Body::from(read(name, text).into_owned()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Asked for again after a minute, so that a new release is seen.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    response
}

#[cfg(debug_assertions)]
fn read(name: &str, built_in: &'static str) -> Cow<'static, str> {
    let folder = std::env::var_os("STEPWRIGHT_CONSOLE_ASSETS");
    let path = folder.map(|folder| std::path::PathBuf::from(folder).join(name));
    let text = path.and_then(|path| std::fs::read_to_string(path).ok());
    text.map_or(Cow::Borrowed(built_in), Cow::Owned)
}

#[cfg(not(debug_assertions))]
fn read(_: &str, built_in: &'static str) -> Cow<'static, str> {
    Cow::Borrowed(built_in)
}
