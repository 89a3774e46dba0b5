//! The built-in functions.

#![expect(clippy::unnecessary_wraps, reason = "every function has the shape of `Run`")]

mod aggregate;
mod arrays;
mod encoding;
mod higher_order;
pub(crate) mod matching;
mod numbers;
mod objects;
mod picture;
mod step_functions;
mod strings;
mod time;
mod values;

use crate::dialect::Dialect;
use crate::error::Result;
use crate::eval::{Caller, Evaluator};
use crate::signature::{Args, Signature};
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::LazyLock;

pub use encoding::decode_base64;

pub(crate) type Run =
    for<'a, 'c> fn(&mut Evaluator<'a>, Args<'a>, &Caller<'c, 'a>) -> Result<Value<'a>>;

/// A function of the language.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    /// The signature as JSONata writes it.
    notation: &'static str,
    pub(crate) signature: Signature,
    /// How many arguments it asks for when a function calls it for each item.
    pub(crate) arity: usize,
    pub(crate) run: Run,
    only: Only,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Everywhere,
    Published,
    StepFunctions,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.name)
    }
}

/// The function called `name`.
pub(crate) fn find(name: &str, dialect: Dialect) -> Option<&'static Builtin> {
    static BY_NAME: LazyLock<FxHashMap<&'static str, Vec<&'static Builtin>>> =
        LazyLock::new(|| {
            let mut by_name: FxHashMap<_, Vec<_>> = FxHashMap::default();
            for builtin in BUILTINS.iter() {
                by_name.entry(builtin.name).or_default().push(builtin);
            }
            by_name
        });
    let excluded = if dialect.step_functions() { Only::Published } else { Only::StepFunctions };
    BY_NAME.get(name)?.iter().copied().find(|builtin| builtin.only != excluded)
}

/// The functions that expressions of Step Functions can call: their names without `$`, and their
/// signatures in JSONata's notation.
pub fn builtin_functions() -> impl Iterator<Item = (&'static str, &'static str)> {
    let here = BUILTINS.iter().filter(|builtin| builtin.only != Only::Published);
    here.map(|builtin| (builtin.name, builtin.notation))
}

/// The signature of what `|…|…|` gives.
pub(crate) fn transform_signature() -> &'static Signature {
    static SIGNATURE: LazyLock<Signature> = LazyLock::new(|| parsed("<(oa):o>"));
    &SIGNATURE
}

fn parsed(text: &str) -> Signature {
    match Signature::parse(text) {
        Ok(signature) => signature,
        Err((_, fault)) => unreachable!("a built-in signature is wrong: {}", fault.code),
    }
}

static BUILTINS: LazyLock<Vec<Builtin>> = LazyLock::new(|| {
    let builtin = |name, signature, arity, run, only| Builtin {
        name,
        notation: signature,
        signature: parsed(signature),
        arity,
        run,
        only,
    };
    let everywhere: &[(&'static str, &'static str, usize, Run)] = &[
        ("sum", "<a<n>:n>", 1, aggregate::sum),
        ("count", "<a:n>", 1, aggregate::count),
        ("max", "<a<n>:n>", 1, aggregate::max),
        ("min", "<a<n>:n>", 1, aggregate::min),
        ("average", "<a<n>:n>", 1, aggregate::average),
        ("string", "<x-b?:s>", 1, strings::string),
        ("substring", "<s-nn?:s>", 3, strings::substring),
        ("substringBefore", "<s-s:s>", 2, strings::substring_before),
        ("substringAfter", "<s-s:s>", 2, strings::substring_after),
        ("lowercase", "<s-:s>", 1, strings::lowercase),
        ("uppercase", "<s-:s>", 1, strings::uppercase),
        ("length", "<s-:n>", 1, strings::length),
        ("trim", "<s-:s>", 1, strings::trim),
        ("pad", "<s-ns?:s>", 3, strings::pad),
        ("match", "<s-f<s:o>n?:a<o>>", 3, matching::find_all),
        ("contains", "<s-(sf):b>", 2, matching::contains),
        ("replace", "<s-(sf)(sf)n?:s>", 4, matching::replace),
        ("split", "<s-(sf)n?:a<s>>", 3, matching::split),
        ("join", "<a<s>s?:s>", 2, strings::join),
        ("formatNumber", "<n-so?:s>", 3, picture::format_number),
        ("formatBase", "<n-n?:s>", 2, numbers::format_base),
        ("formatInteger", "<n-s:s>", 2, time::format_integer),
        ("parseInteger", "<s-s:n>", 2, time::parse_integer),
        ("number", "<(nsb)-:n>", 1, numbers::number),
        ("floor", "<n-:n>", 1, numbers::floor),
        ("ceil", "<n-:n>", 1, numbers::ceil),
        ("round", "<n-n?:n>", 2, numbers::round),
        ("abs", "<n-:n>", 1, numbers::abs),
        ("sqrt", "<n-:n>", 1, numbers::sqrt),
        ("power", "<n-n:n>", 2, numbers::power),
        ("boolean", "<x-:b>", 1, values::boolean_of),
        ("not", "<x-:b>", 1, values::not),
        ("map", "<af>", 2, higher_order::map),
        ("zip", "<a+>", 0, arrays::zip),
        ("filter", "<af>", 2, higher_order::filter),
        ("single", "<af?>", 2, higher_order::single),
        ("reduce", "<afj?:j>", 3, higher_order::reduce),
        ("sift", "<o-f?:o>", 2, higher_order::sift),
        ("keys", "<x-:a<s>>", 1, objects::keys),
        ("lookup", "<x-s:x>", 2, objects::lookup),
        ("append", "<xx:a>", 2, arrays::append_to),
        ("exists", "<x:b>", 1, values::exists),
        ("spread", "<x-:a<o>>", 1, objects::spread),
        ("merge", "<a<o>:o>", 1, objects::merge),
        ("reverse", "<a:a>", 1, arrays::reverse),
        ("each", "<o-f:a>", 2, higher_order::each),
        ("error", "<s?:x>", 1, values::error),
        ("assert", "<bs?:x>", 2, values::assert),
        ("type", "<x:s>", 1, values::type_of),
        ("sort", "<af?:a>", 2, arrays::sort),
        ("shuffle", "<a:a>", 1, arrays::shuffle),
        ("distinct", "<x:x>", 1, arrays::distinct),
        ("base64encode", "<s-:s>", 1, encoding::base64_encode),
        ("base64decode", "<s-:s>", 1, encoding::base64_decode),
        ("encodeUrlComponent", "<s-:s>", 1, encoding::encode_url_component),
        ("encodeUrl", "<s-:s>", 1, encoding::encode_url),
        ("decodeUrlComponent", "<s-:s>", 1, encoding::decode_url_component),
        ("decodeUrl", "<s-:s>", 1, encoding::decode_url),
        ("toMillis", "<s-s?:n>", 2, time::to_millis),
        ("fromMillis", "<n-s?s?:s>", 3, time::from_millis),
        ("clone", "<(oa)-:o>", 1, values::clone_of),
        ("now", "<s?s?:s>", 2, time::now),
        ("millis", "<:n>", 0, time::millis),
    ];
    let published: &[(&'static str, &'static str, usize, Run)] =
        &[("eval", "<sx?:x>", 2, values::eval), ("random", "<:n>", 0, numbers::random)];
    let step_functions: &[(&'static str, &'static str, usize, Run)] = &[
        ("partition", "<a-n?:a<a>>", 2, step_functions::partition),
        ("range", "<n?n?n?:a<n>>", 3, step_functions::range),
        ("hash", "<s-s?:s>", 2, step_functions::hash),
        ("random", "<n?:n>", 0, step_functions::random),
        ("uuid", "<:s>", 0, step_functions::uuid),
        ("parse", "<s-:x>", 1, step_functions::parse),
    ];
    [
        (everywhere, Only::Everywhere),
        (published, Only::Published),
        (step_functions, Only::StepFunctions),
    ]
    .into_iter()
    .flat_map(|(list, only)| {
        list.iter()
            .map(move |(name, signature, arity, run)| builtin(name, *signature, *arity, *run, only))
    })
    .collect()
});

/// The argument at `at`, taken out; undefined if there is none.
fn take<'a>(arguments: &mut Args<'a>, at: usize) -> Value<'a> {
    arguments.get_mut(at).map(std::mem::take).unwrap_or_default()
}

/// The number at `at`, if there is one.
fn number_at(arguments: &Args<'_>, at: usize) -> Option<f64> {
    arguments.get(at)?.number().map(crate::number::Number::as_f64)
}
