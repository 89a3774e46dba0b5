use crate::cursor::Cursor;
use crate::error::Refusal;
use crate::filter;
use crate::function::{Argument, Function};
use crate::lenient;
use crate::program::{Program, Slice, Token};
use crate::unescape::unescape;
use stepwright_json::Str;

/// Paths within filters and arguments within each other, and brackets of a filter.
const DEPTH: usize = 64;
/// Steps in a whole path.
const STEPS: usize = 10_000;
/// Steps in a whole path that can lead to more than one place.
const BRANCHES: usize = 256;

/// What is left of the limits while one path is compiled, its filters and arguments included.
#[derive(Debug)]
pub(crate) struct Budget {
    depth: usize,
    steps: usize,
    branches: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { depth: DEPTH, steps: STEPS, branches: BRANCHES }
    }

    /// Does `inner` one level further down.
    pub(crate) fn deeper<T>(
        &mut self,
        at: usize,
        inner: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Refusal::other(format!("the path nests more than {DEPTH} deep"), at);
        };
        self.depth = depth;
        let result = inner(self);
        self.depth += 1;
        result
    }

    fn spend(&mut self, token: &Token, at: usize) -> Result<(), Refusal> {
        let branches = !matches!(token, Token::Key { .. } | Token::Index(_));
        match (self.steps.checked_sub(1), self.branches.checked_sub(usize::from(branches))) {
            (Some(steps), Some(branches)) => {
                self.steps = steps;
                self.branches = branches;
                Ok(())
            }
            _ => Refusal::other("the path has too many steps", at),
        }
    }
}

/// Compiles a path as it is written down; without `$` or `@` in front it begins at `$`.
pub(crate) fn compile(text: &str, base: usize, budget: &mut Budget) -> Result<Program, Refusal> {
    let mut cursor = Cursor::new(text, base);
    cursor.trim();
    let rooted;
    if !matches!(cursor.current()?, b'$' | b'@') {
        rooted = format!("$.{text}");
        cursor = Cursor::new(&rooted, base.saturating_sub(2));
        cursor.trim();
    }
    if cursor.peek(cursor.end - 1) == Some(b'.') {
        let at = cursor.place(cursor.end - 1);
        return Refusal::invalid("Path must not end with a '.' or '..'", at);
    }
    budget.deeper(base, |budget| Compiler { cursor, budget, tokens: Vec::new() }.compile())
}

struct Compiler<'t, 'b> {
    cursor: Cursor<'t>,
    budget: &'b mut Budget,
    tokens: Vec<Token>,
}

/// Whether a reader found what it is for.
type Found = Result<bool, Refusal>;

impl Compiler<'_, '_> {
    fn compile(mut self) -> Result<Program, Refusal> {
        while self.cursor.in_bounds() && is_space(self.cursor.current()?) {
            self.cursor.at += 1;
        }
        let root = self.cursor.current()?;
        if root != b'$' && root != b'@' {
            return self.invalid("Path must start with '$' or '@'");
        }
        let root = char::from(root);
        if self.cursor.is_tail() {
            return Ok(Program::new(root, self.tokens));
        }
        self.cursor.at += 1;
        if !matches!(self.cursor.current()?, b'.' | b'[') {
            let at = self.cursor.at;
            return self.invalid(format!("Illegal character at position {at} expected '.' or '['"));
        }
        loop {
            self.token()?;
            // One character left over is not looked at.
            if self.cursor.is_tail() {
                return Ok(Program::new(root, self.tokens));
            }
        }
    }

    fn invalid<T>(&self, message: impl Into<String>) -> Result<T, Refusal> {
        Refusal::invalid(message, self.cursor.place(self.cursor.at))
    }

    fn push(&mut self, token: Token) -> Result<(), Refusal> {
        self.budget.spend(&token, self.cursor.place(self.cursor.at))?;
        self.tokens.push(token);
        Ok(())
    }

    fn token(&mut self) -> Result<(), Refusal> {
        if self.cursor.current()? == b'.' {
            self.dot()?;
        }
        let (found, expected) = match self.cursor.current()? {
            b'[' => (
                self.bracketed_names()?
                    || self.indexes()?
                    || self.wildcard()?
                    || self.filter()?
                    || self.placeholder()?,
                ". Expected ?, ', 0-9, * ",
            ),
            b'*' => (self.wildcard()?, ""),
            _ => (self.name_or_function()?, ""),
        };
        if found {
            return Ok(());
        }
        let at = self.cursor.at;
        self.invalid(format!("Could not parse token starting at position {at}{expected}"))
    }

    /// `.` or `..` before a step.
    fn dot(&mut self) -> Result<(), Refusal> {
        if self.cursor.peek(self.cursor.at + 1) == Some(b'.') {
            self.push(Token::Scan)?;
            self.cursor.at += 2;
        } else if self.cursor.is_tail() {
            return self.invalid("Path must not end with a '.");
        } else {
            self.cursor.at += 1;
        }
        if self.cursor.current()? == b'.' {
            let at = self.cursor.at;
            return self.invalid(format!("Character '.' on position {at} is not valid."));
        }
        Ok(())
    }

    /// `name` or `name(…)`
    fn name_or_function(&mut self) -> Found {
        let start = self.cursor.at;
        if matches!(self.cursor.current()?, b'[' | b'*' | b'.' | b' ') {
            return Ok(false);
        }
        let mut end = start;
        let mut function = false;
        while end < self.cursor.end {
            match self.cursor.byte(end)? {
                b' ' => {
                    return self.invalid(format!(
                        "Use bracket notion ['my prop'] if your property contains blank \
                         characters. position: {start}"
                    ));
                }
                b'.' | b'[' => break,
                b'(' => {
                    function = true;
                    break;
                }
                _ => end += 1,
            }
        }
        let name = self.cursor.slice(start, end)?;
        if !function {
            self.push(Token::Key { name: name.into(), quote: '\'' })?;
            self.cursor.at = end;
            return Ok(true);
        }
        self.check_closed(name, end)?;
        let arguments = if self.cursor.byte(end + 1)? == b')' {
            self.cursor.at = end + 1;
            None
        } else {
            self.cursor.at = end + 1;
            Some(self.arguments(name)?)
        };
        self.push(Token::Function(Box::new(Function::new(name, arguments))))?;
        Ok(true)
    }

    /// That as many brackets close after `open` as open.
    fn check_closed(&self, name: &str, open: usize) -> Result<(), Refusal> {
        let mut depth = 0usize;
        for at in open..self.cursor.end {
            match self.cursor.byte(at)? {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        self.invalid(format!("Arguments to function: '{name}' are not closed properly."))
    }

    /// The arguments of a function, behind its opening bracket. The text is cut at commas and
    /// closing brackets first; what the pieces are is decided by how they begin.
    fn arguments(&mut self, name: &str) -> Result<Vec<Argument>, Refusal> {
        #[derive(Clone, Copy)]
        enum Kind {
            Literal,
            Path,
        }
        let mut kind = None;
        let (mut parens, mut brackets, mut braces, mut quotes) = (1i32, 0i32, 0i32, 0i32);
        let mut done = false;
        let mut before = 0;
        let mut arguments = Vec::new();
        let mut piece: Vec<u8> = Vec::new();
        let mut start = self.cursor.at;
        while self.cursor.in_bounds() && !done {
            let byte = self.cursor.current()?;
            self.cursor.at += 1;
            if kind.is_none() {
                if is_space(byte) {
                    continue;
                }
                start = self.cursor.at - 1;
                kind = match byte {
                    b'{' | b'"' | b'-' | b'0'..=b'9' => Some(Kind::Literal),
                    b'$' | b'@' => Some(Kind::Path),
                    _ => None,
                };
            }
            match byte {
                b'"' if before != b'\\' && quotes > 0 => quotes -= 1,
                b'"' => quotes += 1,
                b'(' => parens += 1,
                b'{' => braces += 1,
                b'[' => brackets += 1,
                b'}' if braces == 0 => {
                    let at = self.cursor.at;
                    return self.invalid(format!(
                        "Unexpected close brace '}}' at character position: {at}"
                    ));
                }
                b'}' => braces -= 1,
                b']' if brackets == 0 => {
                    let at = self.cursor.at;
                    return self.invalid(format!(
                        "Unexpected close bracket ']' at character position: {at}"
                    ));
                }
                b']' => brackets -= 1,
                b')' | b',' => {
                    if byte == b')' {
                        parens -= 1;
                        if parens < 0 || before == b'(' {
                            piece.push(byte);
                        }
                    }
                    let closed = quotes == 0 && braces == 0 && brackets == 0;
                    if closed && (parens == 1 || parens == 0 && byte == b')') {
                        done = parens == 0;
                        let text = String::from_utf8_lossy(&piece);
                        match kind.take() {
                            Some(Kind::Literal) => {
                                arguments.push(Argument::Literal(lenient::parse(&text)));
                                piece.clear();
                            }
                            Some(Kind::Path) => {
                                let base = self.cursor.place(start);
                                let path = self.budget.deeper(base, |budget| {
                                    let cursor = Cursor::new(&text, base);
                                    Compiler { cursor, budget, tokens: Vec::new() }.compile()
                                })?;
                                arguments.push(Argument::Path(path));
                                piece.clear();
                            }
                            None => {}
                        }
                    }
                }
                b'\\' => {
                    let next = self.cursor.current()?;
                    if quotes == 1 && matches!(next, b',' | b'"') {
                        piece.push(next);
                        self.cursor.at += 1;
                        before = 0;
                        continue;
                    }
                }
                _ => {}
            }
            let cuts = byte == b',' && braces == 0 && brackets == 0 && parens == 1;
            if kind.is_some() && !cuts {
                piece.push(byte);
            }
            before = byte;
        }
        if (braces, parens, brackets) != (0, 0, 0) {
            return self
                .invalid(format!("Arguments to function: '{name}' are not closed properly."));
        }
        Ok(arguments)
    }

    /// `['a']`, `["a", "b"]`
    fn bracketed_names(&mut self) -> Found {
        let quote = self.cursor.next_significant(self.cursor.at);
        if quote != b'\'' && quote != b'"' {
            return Ok(false);
        }
        let mut names: Vec<Str> = Vec::new();
        let mut start = self.cursor.at + 1;
        let mut end = 0;
        let (mut inside, mut escaped, mut comma) = (false, false, false);
        let mut at = start;
        while at < self.cursor.end {
            let byte = self.cursor.byte(at)?;
            if escaped {
                escaped = false;
            } else if byte == b'\\' {
                escaped = true;
            } else if byte == b']' && !inside {
                if comma {
                    return self.invalid(format!("Found empty property at index {at}"));
                }
                break;
            } else if byte == quote && inside {
                if !matches!(self.cursor.next_significant(at), b']' | b',') {
                    return self.invalid(format!(
                        "Property must be separated by comma or Property must be terminated close \
                         square bracket at index {at}"
                    ));
                }
                end = at;
                let Some(name) = unescape(self.cursor.slice(start, end)?) else {
                    return Refusal::other(
                        "Unable to parse unicode value",
                        self.cursor.place(start),
                    );
                };
                names.push(name.as_ref().into());
                inside = false;
            } else if byte == quote {
                start = at + 1;
                inside = true;
                comma = false;
            } else if byte == b',' && !inside {
                if comma {
                    return self.invalid(format!("Found empty property at index {at}"));
                }
                comma = true;
            }
            at += 1;
        }
        let quote = char::from(quote);
        if inside {
            return self.invalid(format!("Property has not been closed - missing closing {quote}"));
        }
        let Some(close) = self.cursor.find_next_significant(end, b']')? else {
            return self.invalid("Property has not been closed - missing closing ]");
        };
        let token = if names.len() == 1 {
            names.pop().map(|name| Token::Key { name, quote })
        } else {
            (!names.is_empty()).then(|| Token::Keys { names: names.into(), quote })
        };
        let Some(token) = token else { return self.invalid("Empty properties") };
        self.push(token)?;
        self.cursor.at = close + 1;
        Ok(true)
    }

    /// `[1]`, `[1, 2]`, `[1:2]`
    fn indexes(&mut self) -> Found {
        let first = self.cursor.next_significant(self.cursor.at);
        if !matches!(first, b'0'..=b'9' | b'-' | b':') {
            return Ok(false);
        }
        let start = self.cursor.at + 1;
        let Some(end) = self.cursor.find(start, b']') else { return Ok(false) };
        let text = self.cursor.slice(start, end)?.trim();
        if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b',' | b'-' | b':' | b' ')) {
            return Ok(false);
        }
        let token = if text.contains(':') { self.slice(text)? } else { self.union(text)? };
        self.push(token)?;
        self.cursor.at = end + 1;
        Ok(true)
    }

    fn slice(&self, text: &str) -> Result<Token, Refusal> {
        let mut sides = text.split(':').map(|side| {
            if side.is_empty() { Ok(None) } else { side.parse::<i32>().map(Some).map_err(|_| ()) }
        });
        let from = sides.next().unwrap_or(Ok(None));
        let to = sides.next().unwrap_or(Ok(None));
        let slice = match (from, to) {
            _ if text.contains([',', ' ']) => None,
            (Ok(Some(from)), Ok(None)) => Some(Slice::From(from)),
            (Ok(None), Ok(Some(to))) => Some(Slice::To(to)),
            (Ok(Some(from)), Ok(Some(to))) => Some(Slice::Between(from, to)),
            _ => None,
        };
        match slice {
            Some(slice) => Ok(Token::Slice(slice)),
            None => self.invalid(format!("Failed to parse SliceOperation: {text}")),
        }
    }

    fn union(&self, text: &str) -> Result<Token, Refusal> {
        let mut indexes = Vec::new();
        for index in text.split(',').map(str::trim) {
            match index.parse::<i32>() {
                Ok(index) => indexes.push(index),
                Err(_) => {
                    return self
                        .invalid(format!("Failed to parse token in ArrayIndexOperation: {index}"));
                }
            }
        }
        Ok(match indexes[..] {
            [index] => Token::Index(index),
            _ => Token::Indexes(indexes.into()),
        })
    }

    /// `*`, `[*]`
    fn wildcard(&mut self) -> Found {
        if self.cursor.current_is(b'[') {
            if self.cursor.next_significant(self.cursor.at) != b'*' {
                return Ok(false);
            }
            let star = self.cursor.find_next_significant(self.cursor.at, b'*')?;
            let star = star.unwrap_or(self.cursor.at);
            if self.cursor.next_significant(star) != b']' {
                return self.invalid(format!(
                    "Expected wildcard token to end with ']' on position {}",
                    star + 1
                ));
            }
            let close = self.cursor.find_next_significant(star, b']')?.unwrap_or(star);
            self.cursor.at = close + 1;
        } else {
            self.cursor.at += 1;
        }
        self.push(Token::Wildcard)?;
        Ok(true)
    }

    /// `[?(…)]`
    fn filter(&mut self) -> Found {
        let open = self.cursor.at;
        let Some(mark) = self.cursor.find_next_significant(open, b'?')? else { return Ok(false) };
        let Some(paren) = self.cursor.find_next_significant(mark, b'(')? else { return Ok(false) };
        let Some(close) = self.cursor.find_close(paren, b'(', b')', true)? else {
            return Ok(false);
        };
        if self.cursor.next_significant(close) != b']' {
            return Ok(false);
        }
        let end = self.cursor.find_next_significant(close, b']')?.unwrap_or(close) + 1;
        let criteria = self.cursor.slice(open, end)?;
        let base = self.cursor.place(open);
        let expression =
            self.budget.deeper(base, |budget| filter::compile(criteria, base, budget))?;
        self.push(Token::Filter(Box::new(expression)))?;
        self.cursor.at = end;
        Ok(true)
    }

    /// `[?]` stands for a filter that is handed in; nobody hands any in here.
    fn placeholder(&mut self) -> Found {
        let open = self.cursor.at;
        let Some(mark) = self.cursor.find_next_significant(open, b'?')? else { return Ok(false) };
        let next = self.cursor.next_significant(mark);
        let Some(end) = self.cursor.find(open + 1, b']') else { return Ok(false) };
        if next != b']' && next != b',' {
            return Ok(false);
        }
        let expression = self.cursor.slice(open + 1, end)?;
        self.invalid(format!(
            "Not enough predicates supplied for filter [{expression}] at position {open}"
        ))
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
