//! Reading ARNs that people wrote, in which `${…}` may stand for a part.

/// What an ARN is of, without what leads to it: `lambda:invoke` of an integration, otherwise what
/// stands behind the last colon. A colon within `${self:custom.name}` is none.
///
/// ```
/// use stepwright_aws::arn::short;
///
/// assert_eq!(short("arn:aws:states:::lambda:invoke"), "lambda:invoke");
/// assert_eq!(short("arn:aws:lambda:eu-west-2:1:function:${self:custom.a}"), "${self:custom.a}");
/// ```
pub fn short(arn: &str) -> &str {
    let mut last = 0;
    let mut depth = 0usize;
    let mut before = '\0';
    for (at, letter) in arn.char_indices() {
        match letter {
            '{' if depth > 0 || before == '$' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                if arn[at..].starts_with(":::") {
                    return &arn[at + 3..];
                }
                last = at + 1;
            }
            _ => {}
        }
        before = letter;
    }
    &arn[last..]
}
