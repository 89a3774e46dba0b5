//! Names as AWS Step Functions shows them in AWS SDK integrations: those of the SDK for Java 2.
//!
//! Sources: the SDK's code generator (`DefaultNamingStrategy`, `Utils`, `CodegenNamingUtils`), which
//! agrees with the list of services in the documentation of Step Functions, and the files
//! `customization.config` of the services for [`OVERRIDES`] and [`ALIASES`].

use crate::shapes::{Member, Structure};
use crate::table::Service;
use std::borrow::Cow;
use std::collections::BTreeMap;
use stepwright_source::did_you_mean;

/// The action of an operation in a resource: `putItem` for `PutItem`, `createDBInstance` for
/// `CreateDBInstance`.
pub fn action(operation: &str) -> String {
    uncapitalized(operation)
}

/// The name of a member in parameters and results: `DbInstanceIdentifier` for
/// `DBInstanceIdentifier`, `StateMachineArn` for `stateMachineArn`.
pub fn member(service: &Service, structure: &Structure, member: &Member) -> String {
    if let Some(name) = overridden(service, structure, &member.name) {
        return name.to_owned();
    }
    let mut name = uncapitalized(&member.name);
    // A word that Java keeps for itself. (The documentation has `EqualsValue`.)
    if KEYWORDS.binary_search(&name.to_ascii_lowercase().as_str()).is_ok()
        || METHODS.contains(&name.as_str())
    {
        name.push_str("Value");
    }
    capitalized(&name).into_owned()
}

/// The members by the names that parameters may give them.
pub fn members<'s>(service: &Service, structure: &'s Structure) -> BTreeMap<String, &'s Member> {
    let shown = structure.members.iter().map(|one| (member(service, structure, one), one));
    let mut members: BTreeMap<String, &Member> = shown.collect();
    // Whether a word that Java keeps has its ending is not recorded for any service: both are taken.
    for one in &structure.members {
        let plain = capitalized(&uncapitalized(&one.name)).into_owned();
        members.entry(plain).or_insert(one);
    }
    for (_, alias, meant) in ALIASES.iter().filter(|(of, ..)| *of == service.name) {
        if let Some(one) = structure.member(meant) {
            members.insert((*alias).to_owned(), one);
        }
    }
    members
}

/// The name that may be meant by one that no member has.
pub fn nearest(service: &Service, structure: &Structure, name: &str) -> Option<String> {
    let shown = structure.members.iter().map(|one| member(service, structure, one));
    let shown: Vec<String> = shown.collect();
    did_you_mean(name, shown.iter().map(String::as_str)).map(str::to_owned)
}

/// The name of an error: `NoSuchBucketException` for `NoSuchBucket`, `DbInstanceNotFoundException`
/// for `DBInstanceNotFoundFault`.
pub fn error(code: &str) -> String {
    let base = code.strip_suffix("Fault").or_else(|| code.strip_suffix("Exception"));
    pascal_case(base.unwrap_or(code)) + "Exception"
}

/// Service, member, another member of the same structure (or nothing), the name.
const OVERRIDES: [(&str, &str, &str, &str); 6] = [
    ("cloudformation", "StackStatusFilter", "", "StackStatusFilters"),
    ("dynamodb", "NULL", "", "Nul"),
    ("dynamodbstreams", "NULL", "", "Nul"),
    ("ec2", "Public", "FpgaImageId", "IsPublic"),
    ("ec2", "Public", "ImageId", "PublicLaunchPermissions"),
    ("elasticbeanstalk", "Builder", "", "PlatformBuilder"),
];

/// Service, a name that is taken as well, the name.
const ALIASES: [(&str, &str, &str); 2] =
    [("s3", "DestinationBucket", "Bucket"), ("s3", "DestinationKey", "Key")];

fn overridden(service: &Service, structure: &Structure, member: &str) -> Option<&'static str> {
    OVERRIDES
        .iter()
        .find(|(of, name, sibling, _)| {
            *name == member
                && *of == service.name
                && (sibling.is_empty() || structure.member(sibling).is_some())
        })
        .map(|(.., shown)| *shown)
}

/// The words that Java keeps for itself, in order.
const KEYWORDS: [&str; 52] = [
    "abstract",
    "assert",
    "boolean",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "class",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extends",
    "false",
    "final",
    "finally",
    "float",
    "for",
    "goto",
    "if",
    "implements",
    "import",
    "instanceof",
    "int",
    "interface",
    "long",
    "native",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "short",
    "static",
    "strictfp",
    "super",
    "switch",
    "synchronized",
    "this",
    "throw",
    "throws",
    "transient",
    "true",
    "try",
    "void",
    "volatile",
];

/// `while`, and the methods that the SDK's own classes have.
const METHODS: [&str; 14] = [
    "while",
    "equals",
    "finalize",
    "getClass",
    "hashCode",
    "notify",
    "notifyAll",
    "toString",
    "wait",
    "builder",
    "sdkFields",
    "toBuilder",
    "overrideConfiguration",
    "sdkHttpResponse",
];

/// Makes the first letters small, up to the last capital of a row of them: `dbInstance` of
/// `DBInstance`, `eTag` of `ETag`, `arn` of `ARN`.
fn uncapitalized(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let is = |at: usize, test: fn(char) -> bool| chars.get(at).is_some_and(|c| test(*c));
    let mut end = 1;
    while is(end, char::is_uppercase) && !is(end + 1, char::is_lowercase) {
        end += 1;
    }
    let end = end.min(chars.len());
    let small = chars[..end].iter().flat_map(|c| c.to_lowercase());
    small.chain(chars[end..].iter().copied()).collect()
}

/// A name with a capital at its beginning.
pub fn capitalized(name: &str) -> Cow<'_, str> {
    match name.chars().next() {
        Some(first) if !first.is_uppercase() => {
            Cow::Owned(first.to_uppercase().chain(name[first.len_utf8()..].chars()).collect())
        }
        _ => Cow::Borrowed(name),
    }
}

fn pascal_case(name: &str) -> String {
    let words = words(name);
    let word = |word: &String| {
        let mut chars = word.chars();
        let first = chars.next().into_iter().flat_map(char::to_uppercase);
        first.chain(chars.flat_map(char::to_lowercase)).collect::<String>()
    };
    words.iter().map(word).collect()
}

/// Splits a name into words. The steps are those of `splitOnWordBoundaries`.
fn words(name: &str) -> Vec<String> {
    let mut text: Vec<char> =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    text = around_version(&text, 'v', |c| !c.is_ascii_lowercase());
    text = around_version(&text, 'V', |c| !c.is_ascii_uppercase());
    // Between a small letter and a capital that another letter or digit follows.
    text = spaced(&text, |text, at| {
        text[at - 1].is_ascii_lowercase()
            && text[at].is_ascii_uppercase()
            && text.get(at + 1).is_some_and(char::is_ascii_alphanumeric)
    });
    // Before the last capital of a row, if a small letter follows.
    text = spaced(&text, |text, at| {
        text[at - 1].is_ascii_uppercase()
            && text[at].is_ascii_uppercase()
            && text.get(at + 1).is_some_and(char::is_ascii_lowercase)
    });
    // Between a digit and a letter.
    text =
        spaced(&text, |text, at| text[at - 1].is_ascii_digit() && text[at].is_ascii_alphabetic());
    let text: String = text.into_iter().collect();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Puts spaces around a version such as `V2` that two characters precede that are unlike its letter.
fn around_version(text: &[char], letter: char, is_before: fn(&char) -> bool) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    // What precedes one version cannot be a part of the one before it.
    let mut from = 0;
    while at < text.len() {
        let digits = text[at + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
        let is_version = text[at] == letter
            && digits > 0
            && at >= from + 2
            && text[at - 2..at].iter().all(is_before);
        if is_version {
            out.push(' ');
            out.extend_from_slice(&text[at..=at + digits]);
            out.push(' ');
            at += digits + 1;
            from = at;
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

fn spaced(text: &[char], is_boundary: fn(&[char], usize) -> bool) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for (at, c) in text.iter().enumerate() {
        if at > 0 && is_boundary(text, at) {
            out.push(' ');
        }
        out.push(*c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_begin_small() {
        assert_eq!(action("PutItem"), "putItem");
        assert_eq!(action("CreateDBInstance"), "createDBInstance");
        assert_eq!(action("ListObjectsV2"), "listObjectsV2");
        assert_eq!(action("DBSnapshot"), "dbSnapshot");
    }

    #[test]
    fn letters_in_a_row_are_a_word() {
        assert_eq!(uncapitalized("ETag"), "eTag");
        assert_eq!(uncapitalized("ChecksumCRC32"), "checksumCRC32");
        assert_eq!(uncapitalized("ARN"), "arn");
        assert_eq!(uncapitalized("KMSKeyId"), "kmsKeyId");
        assert_eq!(uncapitalized("S"), "s");
        assert_eq!(uncapitalized(""), "");
    }

    #[test]
    fn errors_end_with_exception() {
        assert_eq!(error("NoSuchBucket"), "NoSuchBucketException");
        assert_eq!(error("DBInstanceNotFoundFault"), "DbInstanceNotFoundException");
        assert_eq!(error("ResourceNotFoundException"), "ResourceNotFoundException");
        assert_eq!(error("KMSInvalidStateException"), "KmsInvalidStateException");
        assert_eq!(error("Throttling_v2"), "ThrottlingV2Exception");
    }

    #[test]
    fn words_are_split_as_the_sdk_does() {
        let cases = [
            ("SageMaker A2I Runtime", "SageMakerA2IRuntime"),
            ("b2bi", "B2Bi"),
            ("IoTAnalytics", "IoTAnalytics"),
            ("WAFV2", "Wafv2"),
            ("SESv2", "SesV2"),
            ("FSx", "FSx"),
            ("DynamoDB Streams", "DynamoDbStreams"),
            ("ApiGatewayV2", "ApiGatewayV2"),
        ];
        for (name, expected) in cases {
            assert_eq!(pascal_case(name), expected);
        }
    }

    #[test]
    fn the_words_of_java_are_in_order() {
        assert!(KEYWORDS.is_sorted());
    }
}
