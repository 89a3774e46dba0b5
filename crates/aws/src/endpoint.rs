//! Where AWS's services are.
//!
//! Not here: FIPS and dual-stack endpoints, access points and directory buckets of S3, endpoints that
//! depend on an account, and global endpoints of `EventBridge`.

use crate::codec::Request;
use crate::table::{Operation, Service, Signature};
use std::fmt;

/// Where a request is sent, and what it is signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https://dynamodb.eu-west-1.amazonaws.com`
    pub url: String,
    /// The name of the service in the signature.
    pub signing_name: String,
    /// The region in the signature.
    pub signing_region: String,
}

/// Why there is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEndpoint {
    /// The name of a region has letters, digits and `-` only.
    BadRegion(String),
    /// The service asks for a signature that is not supported.
    Signature(String),
    /// The bucket is none that is supported.
    Bucket(String),
}

impl fmt::Display for NoEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRegion(region) => write!(f, "`{region}` is not the name of an AWS region"),
            Self::Signature(service) => {
                write!(f, "`{service}` asks for Signature Version 4A, which is not supported")
            }
            Self::Bucket(bucket) => {
                write!(
                    f,
                    "`{bucket}` is not the name of a bucket (access points and directory buckets \
                     are not supported)"
                )
            }
        }
    }
}

impl std::error::Error for NoEndpoint {}

/// A part of AWS with accounts and names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// `aws`
    pub name: &'static str,
    /// The end of its hosts' names.
    pub suffix: &'static str,
}

/// The beginnings of regions' names, partition, suffix; the longest beginning first.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
    ("cn-", "aws-cn", "amazonaws.com.cn"),
];

/// The partition of a region.
pub fn partition(region: &str) -> Partition {
    let found = PARTITIONS.iter().find(|(start, ..)| region.starts_with(start));
    let (_, name, suffix) = found.copied().unwrap_or(("", "aws", "amazonaws.com"));
    Partition { name, suffix }
}

/// Where the requests of an operation go in a region.
pub fn endpoint(
    service: &Service,
    operation: &Operation,
    region: &str,
) -> Result<Endpoint, NoEndpoint> {
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if region.is_empty() || region.len() > 63 || !region.chars().all(is_label) {
        return Err(NoEndpoint::BadRegion(region.to_owned()));
    }
    let partition = partition(region);
    let places = service.endpoints.get(operation.endpoints).map(Vec::as_slice).unwrap_or_default();
    let place = places.iter().find(|place| place.partition == partition.name);
    let signing_region = place.and_then(|place| place.signing_region.as_deref());
    if service.signature == Signature::V4a || signing_region == Some("*") {
        return Err(NoEndpoint::Signature(service.name.to_string()));
    }
    let url = match place {
        Some(place) => place.template.replace("{region}", region),
        None => format!("https://{}.{region}.{}", service.endpoint_prefix, partition.suffix),
    };
    Ok(Endpoint {
        url,
        signing_name: service.signing_name.to_string(),
        signing_region: signing_region.unwrap_or(region).to_owned(),
    })
}

/// Puts what a request has for the host's name there: a prefix, or the bucket of S3.
///
/// S3 on AWS has a host for each bucket, other stores mostly have not: with `has_bucket_hosts` the
/// bucket is taken from the path, if its name can be a part of a host's name.
pub fn address(
    service: &Service,
    request: &mut Request,
    url: &str,
    has_bucket_hosts: bool,
) -> Result<String, NoEndpoint> {
    let (scheme, host) = url.split_once("://").unwrap_or(("https", url));
    let mut prefix = std::mem::take(&mut request.host_prefix);
    if service.name == "s3" && prefix.is_empty() {
        let path = request.path.strip_prefix('/').unwrap_or(&request.path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket.contains("%3A") || bucket.ends_with("--x-s3") {
            return Err(NoEndpoint::Bucket(bucket.replace("%3A", ":").replace("%2F", "/")));
        }
        if has_bucket_hosts && is_host_label(bucket) {
            prefix = format!("{bucket}.");
            request.path = format!("/{key}");
        }
    }
    Ok(format!("{scheme}://{prefix}{host}"))
}

/// Whether a bucket's name can stand in a host's name. One with dots has no certificate.
fn is_host_label(bucket: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (3..=63).contains(&bucket.len())
        && bucket.chars().all(is_plain)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[track_caller]
    fn check(service: &str, action: &str, region: &str, expected: &str, signed_for: &str) {
        let service = table::service(service).unwrap();
        let operation = service.action(action).unwrap();
        let found = endpoint(service, operation, region).unwrap();
        assert_eq!(found.url, expected);
        assert_eq!(format!("{}/{}", found.signing_name, found.signing_region), signed_for);
    }

    #[test]
    fn services_are_where_the_rules_say() {
        let west = "eu-west-1";
        check("sqs", "sendMessage", west, "https://sqs.eu-west-1.amazonaws.com", "sqs/eu-west-1");
        check(
            "sfn",
            "startExecution",
            west,
            "https://states.eu-west-1.amazonaws.com",
            "states/eu-west-1",
        );
        check("iam", "getUser", west, "https://iam.amazonaws.com", "iam/us-east-1");
        check("route53", "getChange", west, "https://route53.amazonaws.com", "route53/us-east-1");
        check("s3", "getObject", west, "https://s3.eu-west-1.amazonaws.com", "s3/eu-west-1");
        check(
            "sts",
            "getCallerIdentity",
            west,
            "https://sts.eu-west-1.amazonaws.com",
            "sts/eu-west-1",
        );
        check("dsql", "getCluster", west, "https://dsql.eu-west-1.api.aws", "dsql/eu-west-1");
        check(
            "acm",
            "listCertificates",
            west,
            "https://acm.eu-west-1.amazonaws.com",
            "acm/eu-west-1",
        );
        check(
            "iam",
            "getUser",
            "cn-north-1",
            "https://iam.cn-north-1.amazonaws.com.cn",
            "iam/cn-north-1",
        );
        check(
            "organizations",
            "listRoots",
            west,
            "https://organizations.us-east-1.amazonaws.com",
            "organizations/us-east-1",
        );
        check("ses", "sendEmail", west, "https://email.eu-west-1.amazonaws.com", "ses/eu-west-1");
    }

    #[test]
    fn a_region_cannot_be_another_host() {
        let service = table::service("sqs").unwrap();
        let operation = service.action("sendMessage").unwrap();
        for region in ["", "evil.example/", "a.b", "x@y", "eu-west-1#"] {
            assert_eq!(
                endpoint(service, operation, region),
                Err(NoEndpoint::BadRegion(region.to_owned()))
            );
        }
    }

    #[test]
    fn buckets_have_hosts_on_aws() {
        let service = table::service("s3").unwrap();
        let url = "https://s3.eu-west-1.amazonaws.com";
        let cases = [
            ("/my-bucket/a/b", true, "https://my-bucket.s3.eu-west-1.amazonaws.com", "/a/b"),
            ("/my.bucket/a", true, url, "/my.bucket/a"),
            ("/my-bucket/a", false, url, "/my-bucket/a"),
            ("/my-bucket", true, "https://my-bucket.s3.eu-west-1.amazonaws.com", "/"),
            ("/", true, url, "/"),
        ];
        for (path, has_bucket_hosts, expected, left) in cases {
            let mut request = Request { path: path.to_owned(), ..Request::default() };
            let found = address(service, &mut request, url, has_bucket_hosts).unwrap();
            assert_eq!((found.as_str(), request.path.as_str()), (expected, left));
        }
        let mut request = Request { path: "/arn%3Aaws%3As3/x".to_owned(), ..Request::default() };
        assert!(address(service, &mut request, url, true).is_err());
    }
}
