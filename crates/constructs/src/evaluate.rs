//! The expressions of `EvaluateExpression`.

/// The paths in an expression, without repetitions. A path begins with `$.` or `$[`.
pub fn paths(expression: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (start, _) in expression.match_indices('$') {
        let rest = &expression[start + 1..];
        if !rest.starts_with(['.', '[']) {
            continue;
        }
        let belongs = |c: char| c.is_ascii_alphanumeric() || ".[]-_".contains(c);
        let length = rest[1..].find(|c| !belongs(c)).unwrap_or(rest.len() - 1);
        if length == 0 {
            continue;
        }
        let path = format!("${}", &rest[..=length]);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}
