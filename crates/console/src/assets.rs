//! The style sheet, the script and the icon. A debug build reads them from the folder that
//! `STEPWRIGHT_CONSOLE_ASSETS` names, so that changes are seen without a build.

use crate::View;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use std::borrow::Cow;

pub(crate) fn asset(view: View) -> Response {
    let (kind, name, text) = match view {
        View::Style => {
            ("text/css; charset=utf-8", "console.css", include_str!("../assets/console.css"))
        }
        View::Icon => ("image/svg+xml", "icon.svg", include_str!("../assets/icon.svg")),
        _ => ("text/javascript; charset=utf-8", "console.js", include_str!("../assets/console.js")),
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
