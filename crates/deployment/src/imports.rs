//! Finds the imports in Python text.

use std::collections::BTreeSet;

/// The top-level packages that are imported anywhere in a text. A line inside a string that looks
/// like an import counts as one, because an unneeded package does no harm.
pub(crate) fn of(text: &str) -> BTreeSet<String> {
    let mut packages = BTreeSet::new();
    let top = |name: &str| {
        let name: String =
            name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        (!name.is_empty()).then_some(name)
    };
    for statement in text.lines().flat_map(|line| line.split(';')) {
        let statement = statement.trim_start();
        // In `if x: import y` and similar lines, the statement follows a colon.
        let parts =
            [Some(statement), statement.split_once(": ").map(|(_, rest)| rest.trim_start())];
        for part in parts.into_iter().flatten() {
            if let Some(names) = part.strip_prefix("import ") {
                packages.extend(names.split(',').filter_map(top));
            } else if let Some(rest) = part.strip_prefix("from ") {
                packages.extend(top(rest));
            }
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn imports_are_found_wherever_they_stand() {
        let text = "import a, b.c as d\n    from e.f import g\nif x: import h; from i import j\n\
                    from . import k\nfrom .l import m\nimportant = 1\nimport q # why\n";
        assert_eq!(of(text), ["a", "b", "e", "h", "i", "q"].map(str::to_owned).into());
    }
}
