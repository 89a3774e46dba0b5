use super::functions::Function;
use super::{Argument, Call};
use crate::expression::PathExpression;
use stepwright_json::Json;

/// How many calls may stand within each other. AWS allows ten.
const MAX_DEPTH: usize = 10;

pub(super) fn parse(text: &str) -> Result<Call, String> {
    let mut parser = Parser { text, at: 0 };
    parser.space();
    let call = parser.call(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(format!("unexpected `{}` after the function call", &text[parser.at..]));
    }
    Ok(call)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn call(&mut self, depth: usize) -> Result<Call, String> {
        if depth >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} functions within each other"));
        }
        let start = self.at;
        let open = self.rest().find('(').ok_or("a function call needs `(`")?;
        let name = self.text[self.at..self.at + open].trim();
        let function = Function::named(name)
            .ok_or_else(|| format!("there is no intrinsic function `{name}`"))?;
        self.at += open + 1;
        let mut arguments = Vec::new();
        self.space();
        if self.rest().starts_with(')') {
            self.at += 1;
        } else {
            loop {
                self.space();
                arguments.push(self.argument(depth)?);
                self.space();
                match self.rest().chars().next() {
                    Some(',') => self.at += 1,
                    Some(')') => {
                        self.at += 1;
                        break;
                    }
                    Some(c) => {
                        return Err(format!("unexpected `{c}` in the arguments of `{name}`"));
                    }
                    None => return Err(format!("the arguments of `{name}` have no end")),
                }
            }
        }
        Ok(Call { text: self.text[start..self.at].into(), function, arguments })
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, String> {
        match self.rest().chars().next() {
            Some('\'') => self.string().map(|text| Argument::Literal(text.into())),
            Some('$') => {
                let path = self.path_text()?.to_owned();
                PathExpression::parse(&path).map(Argument::Path)
            }
            Some(c) if c.is_ascii_digit() || c == '-' => {
                let length = self
                    .rest()
                    .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
                    .unwrap_or(self.rest().len());
                let number = &self.rest()[..length];
                let value = stepwright_json::parse(number)
                    .ok()
                    // Java takes a number that is too large for infinite.
                    .or_else(|| {
                        number.parse().ok().filter(|n: &f64| n.is_infinite()).map(Json::Float)
                    })
                    .ok_or_else(|| format!("`{number}` is not a number"))?;
                self.at += length;
                Ok(Argument::Literal(value))
            }
            Some(_) => {
                for (word, value) in
                    [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)]
                {
                    let rest = self.rest();
                    let ends = |c: char| c == ',' || c == ')' || c.is_whitespace();
                    if rest.strip_prefix(word).is_some_and(|after| after.starts_with(ends)) {
                        self.at += word.len();
                        return Ok(Argument::Literal(value));
                    }
                }
                self.call(depth + 1).map(Argument::Call)
            }
            None => Err("an argument is missing".to_owned()),
        }
    }

    /// A string in single quotes. `\'`, `\{`, `\}` and `\\` stand for themselves; the braces keep
    /// their backslash, for it is `States.Format` that reads them.
    fn string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.at += at + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('\'' | '\\'))) => out.push(c),
                    Some((_, c @ ('{' | '}'))) => {
                        out.push('\\');
                        out.push(c);
                    }
                    Some((_, c)) => return Err(format!("`\\{c}` is no escape")),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err("a string has no closing `'`".to_owned())
    }

    /// A path ends at a comma or parenthesis that is inside none of its brackets and quotes.
    fn path_text(&mut self) -> Result<&str, String> {
        let (mut depth, mut quote) = (0usize, None);
        let rest = &self.text[self.at..];
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match (quote, c) {
                (Some(_), '\\') => {
                    chars.next();
                }
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') if depth > 0 => quote = Some(c),
                (None, '[' | '(') => depth += 1,
                (None, ']') => depth = depth.saturating_sub(1),
                (None, ')') if depth > 0 => depth -= 1,
                (None, ',' | ')') if depth == 0 => {
                    self.at += at;
                    return Ok(rest[..at].trim_end());
                }
                _ => {}
            }
        }
        Err("the arguments have no closing `)`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ok: bool) {
        let parsed = parse(text);
        assert_eq!(parsed.is_ok(), ok, "{text}: {parsed:?}");
    }

    #[test]
    fn calls_are_read() {
        check("States.UUID()", true);
        check("States.Format('Hello {}, {}', $.name, States.UUID())", true);
        check("States.Array(1, -2.5, true, null, 'a\\'b')", true);
        check("States.JsonToString($['a,b)'].c[?(@.x == 1)])", true);
        check("States.StringSplit($x.y, $$.Execution.Id)", true);
        // How many arguments there are is found out when it is computed.
        check("States.UUID(1)", true);
        check("States.MathAdd()", true);
    }

    #[test]
    fn mistakes_are_found() {
        check("States.Nope()", false);
        check("States.Format('a\\tb')", false);
        check("States.Format('a'", false);
        check("States.Format('a') b", false);
        check("States.Array(nul)", false);
        check(&"States.Array(".repeat(5_000), false);
    }
}
