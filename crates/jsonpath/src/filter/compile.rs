use super::{Expression, Operand, Operator};
use crate::compile::Budget;
use crate::cursor::Cursor;
use crate::error::Refusal;
use crate::number::Decimal;
use crate::pattern::Pattern;
use crate::unescape::unescape;

/// Reads `[?(…)]`, brackets included. `base` is where it stands in the whole path.
pub(crate) fn compile(
    criteria: &str,
    base: usize,
    budget: &mut Budget,
) -> Result<Expression, Refusal> {
    let mut cursor = Cursor::new(criteria, base);
    // The caller has found `[ ? (` at the front and `) ]` at the end.
    let open = criteria.find('(').unwrap_or(0);
    let close = criteria.rfind(')').unwrap_or(0);
    cursor.at = open;
    cursor.end = close + 1;
    let mut compiler = Compiler { cursor, budget };
    let expression = compiler.either().map_err(|refusal| compiler.explain(refusal))?;
    compiler.cursor.skip_blanks();
    if compiler.cursor.in_bounds() {
        let rest = compiler.cursor.slice(compiler.cursor.at, compiler.cursor.end)?;
        return compiler.invalid(format!("Expected end of filter expression instead of: {rest}"));
    }
    Ok(expression)
}

struct Compiler<'t, 'b> {
    cursor: Cursor<'t>,
    budget: &'b mut Budget,
}

type Read<T> = Result<T, Refusal>;

impl Compiler<'_, '_> {
    fn invalid<T>(&self, message: impl Into<String>) -> Read<T> {
        Refusal::invalid(message, self.cursor.place(self.cursor.at))
    }

    /// From outside, a filter that cannot be read is an invalid path whatever the reason.
    fn explain(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Other(message, at) => {
                let text = self.cursor.text();
                Refusal::Invalid(format!("Failed to parse filter: {text}, {message}"), at)
            }
            invalid @ Refusal::Invalid(..) => invalid,
        }
    }

    /// `both || both …`
    fn either(&mut self) -> Read<Expression> {
        let mut all = vec![self.both()?];
        loop {
            let before = self.cursor.at;
            if !self.cursor.take("||") {
                self.cursor.at = before;
                break;
            }
            all.push(self.both()?);
        }
        Ok(match <[Expression; 1]>::try_from(all) {
            Ok([one]) => one,
            Err(all) => Expression::Or(all),
        })
    }

    /// `condition && condition …`
    fn both(&mut self) -> Read<Expression> {
        let mut all = vec![self.condition()?];
        loop {
            let before = self.cursor.at;
            if !self.cursor.take("&&") {
                self.cursor.at = before;
                break;
            }
            all.push(self.condition()?);
        }
        Ok(match <[Expression; 1]>::try_from(all) {
            Ok([one]) => one,
            Err(all) => Expression::And(all),
        })
    }

    /// `(…)`, `!condition`, or a relation.
    fn condition(&mut self) -> Read<Expression> {
        self.cursor.skip_blanks();
        let before = self.cursor.at;
        let place = self.cursor.place(before);
        match self.cursor.current()? {
            b'!' => {
                self.cursor.at += 1;
                self.cursor.skip_blanks();
                if matches!(self.cursor.current()?, b'$' | b'@') {
                    // The path itself looks for the `!` before it.
                    self.cursor.at = before;
                    return self.relation();
                }
                let cursor = &mut self.cursor;
                let inner = self.budget.deeper(place, |budget| {
                    let mut inner = Compiler { cursor: cursor.clone(), budget };
                    let expression = inner.condition()?;
                    cursor.at = inner.cursor.at;
                    Ok(expression)
                })?;
                Ok(Expression::Not(Box::new(inner)))
            }
            b'(' => {
                self.cursor.at += 1;
                let cursor = &mut self.cursor;
                let inner = self.budget.deeper(place, |budget| {
                    let mut inner = Compiler { cursor: cursor.clone(), budget };
                    let expression = inner.either()?;
                    cursor.at = inner.cursor.at;
                    Ok(expression)
                })?;
                self.cursor.expect(b')')?;
                Ok(inner)
            }
            _ => self.relation(),
        }
    }

    /// `operand operator operand`; without an operator that reads, a test for existence.
    fn relation(&mut self) -> Read<Expression> {
        let (left, wanted) = self.operand()?;
        let before = self.cursor.at;
        match self.operator().and_then(|operator| Ok((operator, self.operand()?.0))) {
            Ok((operator, right)) => Ok(Expression::Relation { left, operator, right }),
            Err(Refusal::Invalid(..)) if left.is_path() => {
                self.cursor.at = before;
                Ok(Expression::Exists { path: left, expected: wanted })
            }
            Err(Refusal::Invalid(..)) => {
                self.cursor.at = before;
                self.invalid("Expected path node")
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn operator(&mut self) -> Read<Operator> {
        self.cursor.skip_blanks();
        let start = self.cursor.at;
        if is_operator(self.cursor.current()?) {
            while self.cursor.in_bounds() && is_operator(self.cursor.current()?) {
                self.cursor.at += 1;
            }
        } else {
            while self.cursor.in_bounds() && !self.cursor.current_is(b' ') {
                self.cursor.at += 1;
            }
        }
        let name = self.cursor.slice(start, self.cursor.at)?;
        match Operator::from_name(name) {
            Some(operator) => Ok(operator),
            None => self.invalid(format!("Filter operator {name} is not supported!")),
        }
    }

    /// The operand, and for a path whether it is wanted to exist (there is no `!` before it).
    fn operand(&mut self) -> Read<(Operand, bool)> {
        self.cursor.skip_blanks();
        if self.cursor.current()? == b'!' {
            self.cursor.at += 1;
            self.cursor.skip_blanks();
            if !matches!(self.cursor.current()?, b'$' | b'@') {
                return self.invalid("Unexpected character: !");
            }
        }
        let operand = match self.cursor.current()? {
            b'$' | b'@' => return self.path(),
            quote @ (b'\'' | b'"') => self.text(quote)?,
            b't' => self.word("true", Operand::Bool(true), "Expected boolean literal")?,
            b'f' => self.word("false", Operand::Bool(false), "Expected boolean literal")?,
            b'n' => self.word("null", Operand::Null, "Expected <null> value")?,
            b'{' => self.json(b'{', b'}')?,
            b'[' => self.json(b'[', b']')?,
            b'/' => self.pattern()?,
            _ => self.number()?,
        };
        Ok((operand, true))
    }

    fn word(&mut self, word: &str, operand: Operand, otherwise: &str) -> Read<Operand> {
        let end = self.cursor.at + word.len();
        if end <= self.cursor.end && self.cursor.slice(self.cursor.at, end).ok() == Some(word) {
            self.cursor.at = end;
            return Ok(operand);
        }
        self.invalid(otherwise)
    }

    fn text(&mut self, quote: u8) -> Read<Operand> {
        let start = self.cursor.at + 1;
        let Some(end) = self.cursor.find_unescaped(start, quote) else {
            return self.invalid(format!(
                "String literal does not have matching quotes. Expected {} in {}",
                char::from(quote),
                self.cursor.text()
            ));
        };
        let Some(text) = unescape(self.cursor.slice(start, end)?) else {
            return Refusal::other("Unable to parse unicode value", self.cursor.place(start));
        };
        self.cursor.at = end + 1;
        Ok(Operand::text(&text))
    }

    fn json(&mut self, open: u8, close: u8) -> Read<Operand> {
        let start = self.cursor.at;
        let Some(end) = self.cursor.find_close(start, open, close, false)? else {
            let text = self.cursor.text();
            return self.invalid(format!("String not closed. Expected ' in {text}"));
        };
        self.cursor.at = end + 1;
        Ok(Operand::literal(self.cursor.slice(start, end + 1)?))
    }

    fn pattern(&mut self) -> Read<Operand> {
        let start = self.cursor.at + 1;
        let Some(end) = self.cursor.find_unescaped(start, b'/') else {
            let text = self.cursor.text();
            return self.invalid(format!("Pattern not closed. Expected / in {text}"));
        };
        let mut after = end + 1;
        while after < self.cursor.end && Pattern::is_flag(self.cursor.byte(after)?) {
            after += 1;
        }
        let pattern = self.cursor.slice(start, end)?;
        let flags = self.cursor.slice(end + 1, after)?;
        match Pattern::new(pattern, flags) {
            Ok(pattern) => {
                self.cursor.at = after;
                Ok(Operand::Pattern(pattern))
            }
            Err(message) => Refusal::other(message, self.cursor.place(start)),
        }
    }

    fn number(&mut self) -> Read<Operand> {
        let start = self.cursor.at;
        while self.cursor.in_bounds()
            && matches!(self.cursor.current()?, b'0'..=b'9' | b'-' | b'.' | b'e' | b'E')
        {
            self.cursor.at += 1;
        }
        let text = self.cursor.slice(start, self.cursor.at)?;
        match Decimal::parse(text) {
            Some(decimal) => Ok(Operand::number(text, decimal)),
            None => Refusal::other(
                format!("error on position: {start}, no value is written there"),
                self.cursor.place(start),
            ),
        }
    }

    fn path(&mut self) -> Read<(Operand, bool)> {
        let before = self.cursor.previous_significant_at(self.cursor.at);
        let wanted = before.and_then(|at| self.cursor.peek(at)) != Some(b'!');
        let start = self.cursor.at;
        self.cursor.at += 1;
        while self.cursor.in_bounds() {
            if self.cursor.current()? == b'[' {
                let Some(end) = self.cursor.find_close(self.cursor.at, b'[', b']', false)? else {
                    let text = self.cursor.text();
                    return self
                        .invalid(format!("Square brackets does not match in filter {text}"));
                };
                self.cursor.at = end + 1;
            }
            let byte = self.cursor.current()?;
            let closes = byte == b')' && !self.closes_function(start);
            if !self.cursor.in_bounds() || is_operator(byte) || byte == b' ' || closes {
                break;
            }
            self.cursor.at += 1;
        }
        let text = self.cursor.slice(start, self.cursor.at)?;
        let base = self.cursor.place(start);
        // Whatever is wrong with a path in a filter, it is an invalid path.
        let program = crate::compile::compile(text, base, self.budget).map_err(|refusal| {
            let (message, at) = refusal.into_parts();
            Refusal::Invalid(message, at)
        })?;
        Ok((Operand::path(program), wanted))
    }

    /// Whether the bracket that closes here belongs to a function call in the path from `start`.
    fn closes_function(&self, start: usize) -> bool {
        let Some(open) = self.cursor.previous_significant_at(self.cursor.at) else { return false };
        if self.cursor.peek(open) != Some(b'(') {
            return false;
        }
        (start + 1..open).rev().any(|at| self.cursor.peek(at) == Some(b'.'))
    }
}

fn is_operator(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'=' | b'~' | b'!')
}
