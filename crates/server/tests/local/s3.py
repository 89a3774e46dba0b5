"""A tour of S3."""

import hashlib
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

from tour import ANYTHING, Tour, client, error

# What moto does otherwise.
DIFFERS = {
    "a bad name": "every name is taken",
    "list buckets": "the bucket with the bad name is among them",
    "a bad digest": "digests are not compared",
    "a bad checksum": "checksums are not compared",
    "too long a key": "every key is taken",
    "copy if it matches": "the conditions of copies are ignored",
    "a bad token": "it answers 500",
    "the first version": "NextMarker is the prefix, and Contents comes first",
    "its next page": "the prefix comes again",
    "the wrong order": "another error",
    "one part": "PartNumber is ignored",
    "it is over": "it answers 500",
    "delete quietly": "Quiet is ignored",
    "empty it": "it answers 500 to a key with a control character",
    "delete the bucket": "it is not empty",
    "it is gone": "it is not gone",
}

tour = Tour(DIFFERS)
s3 = client("s3", tour.endpoint)
step = tour.step
OK = {"ResponseMetadata": {"HTTPStatusCode": 200}}
NONE = {"ResponseMetadata": {"HTTPStatusCode": 204}}


def md5(body):
    return '"%s"' % hashlib.md5(body).hexdigest()


# Buckets.
step("create", lambda: s3.create_bucket(Bucket="tour"), OK)
step("create again", lambda: s3.create_bucket(Bucket="tour"), OK)
step("a bad name", lambda: s3.create_bucket(Bucket="Not_A_Bucket"), error("InvalidBucketName"))
step("a short name", lambda: s3.create_bucket(Bucket="ab"), error("InvalidBucketName"))
step("head", lambda: s3.head_bucket(Bucket="tour"), OK)
step("head of none", lambda: s3.head_bucket(Bucket="none-such"), error("404"))
step("location", lambda: s3.get_bucket_location(Bucket="tour"), {"LocationConstraint": None, **OK})
step("list buckets", lambda: s3.list_buckets(), {"Buckets": [{"Name": "tour", "CreationDate": ANYTHING}], "Owner": ANYTHING})
step("not versioned", lambda: s3.get_bucket_versioning(Bucket="tour"), {"Status": None, **OK})
step("no bucket", lambda: s3.put_object(Bucket="none-such", Key="k", Body=b"x"), error("NoSuchBucket"))
step("list nothing", lambda: s3.list_objects_v2(Bucket="tour"), {"KeyCount": 0, "Contents": None, "IsTruncated": False})

# Objects.
body = "héllo wörld".encode()
step(
    "put",
    lambda: s3.put_object(
        Bucket="tour",
        Key="folder/a b+ü.txt",
        Body=body,
        ContentType="text/plain",
        CacheControl="no-cache",
        ContentEncoding="identity",
        ContentDisposition="inline",
        ContentLanguage="de",
        Metadata={"Some": "thing", "n": "1"},
        Tagging="k=v&k2=v%202",
    ),
    {"ETag": md5(body), "ChecksumCRC32": ANYTHING},
)
got = step(
    "get",
    lambda: s3.get_object(Bucket="tour", Key="folder/a b+ü.txt"),
    {
        "Body": lambda stream: stream.read() == body,
        "ETag": md5(body),
        "ContentLength": len(body),
        "ContentType": "text/plain",
        "CacheControl": "no-cache",
        "ContentDisposition": "inline",
        "ContentEncoding": "identity",
        "ContentLanguage": "de",
        "Metadata": {"some": "thing", "n": "1"},
        "LastModified": ANYTHING,
        "AcceptRanges": "bytes",
        "TagCount": 2,
        "ChecksumCRC32": ANYTHING,
    },
)
step(
    "head object",
    lambda: s3.head_object(Bucket="tour", Key="folder/a b+ü.txt"),
    {"ContentLength": len(body), "ETag": md5(body), "Metadata": {"some": "thing"}},
)
step("no key", lambda: s3.get_object(Bucket="tour", Key="none"), error("NoSuchKey", "does not exist"))
step("head of no key", lambda: s3.head_object(Bucket="tour", Key="none"), error("404"))
step("put nothing", lambda: s3.put_object(Bucket="tour", Key="empty", Body=b""), {"ETag": md5(b"")})
step(
    "get nothing",
    lambda: s3.get_object(Bucket="tour", Key="empty"),
    {"ContentLength": 0, "Body": lambda stream: stream.read() == b"", "ContentType": "binary/octet-stream"},
)
key = "folder/a b+ü.txt"
step(
    "a range",
    lambda: s3.get_object(Bucket="tour", Key=key, Range="bytes=1-3"),
    {
        "Body": lambda stream: stream.read() == body[1:4],
        "ContentRange": f"bytes 1-3/{len(body)}",
        "ContentLength": 3,
        "ResponseMetadata": {"HTTPStatusCode": 206},
    },
)
step(
    "the end",
    lambda: s3.get_object(Bucket="tour", Key=key, Range="bytes=-4"),
    {"Body": lambda stream: stream.read() == body[-4:], "ContentRange": f"bytes {len(body) - 4}-{len(body) - 1}/{len(body)}"},
)
step("behind the end", lambda: s3.get_object(Bucket="tour", Key=key, Range="bytes=100-"), error("InvalidRange"))
step(
    "other headers",
    lambda: s3.get_object(Bucket="tour", Key=key, ResponseContentType="application/x", ResponseCacheControl="max-age=1"),
    {"ContentType": "application/x", "CacheControl": "max-age=1"},
)

# Conditions.
now = datetime.now(timezone.utc)
step("if match", lambda: s3.get_object(Bucket="tour", Key=key, IfMatch=md5(body)), {"ETag": md5(body)})
step("if it does not match", lambda: s3.get_object(Bucket="tour", Key=key, IfMatch='"x"'), error("PreconditionFailed"))
step("if none match", lambda: s3.get_object(Bucket="tour", Key=key, IfNoneMatch=md5(body)), error("304"))
step(
    "if modified",
    lambda: s3.get_object(Bucket="tour", Key=key, IfModifiedSince=now + timedelta(hours=1)),
    error("304"),
)
step(
    "if unmodified",
    lambda: s3.get_object(Bucket="tour", Key=key, IfUnmodifiedSince=now - timedelta(hours=1)),
    error("PreconditionFailed"),
)
step(
    "put if absent", lambda: s3.put_object(Bucket="tour", Key="once", Body=b"1", IfNoneMatch="*"), {"ETag": md5(b"1")}
)
step(
    "not twice",
    lambda: s3.put_object(Bucket="tour", Key="once", Body=b"2", IfNoneMatch="*"),
    error("PreconditionFailed"),
)
step(
    "replace what is known",
    lambda: s3.put_object(Bucket="tour", Key="once", Body=b"2", IfMatch=md5(b"1")),
    {"ETag": md5(b"2")},
)
step(
    "not what was known",
    lambda: s3.put_object(Bucket="tour", Key="once", Body=b"3", IfMatch=md5(b"1")),
    error("PreconditionFailed"),
)
step(
    "nothing to replace",
    lambda: s3.put_object(Bucket="tour", Key="never", Body=b"3", IfMatch=md5(b"1")),
    error("NoSuchKey"),
)
step("a bad digest", lambda: s3.put_object(Bucket="tour", Key="x", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA=="), error("BadDigest"))
step(
    "a bad checksum",
    lambda: s3.put_object(Bucket="tour", Key="x", Body=b"x", ChecksumSHA256="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    error("BadDigest"),
)
for algorithm in ["CRC32", "SHA1", "SHA256"]:
    step(
        f"checksum {algorithm}",
        lambda: (
            s3.put_object(Bucket="tour", Key="sum", Body=b"sum", ChecksumAlgorithm=algorithm),
            s3.get_object(Bucket="tour", Key="sum", ChecksumMode="ENABLED"),
        )[1],
        {f"Checksum{algorithm}": ANYTHING, "Body": lambda stream: stream.read() == b"sum"},
    )
step(
    "attributes",
    lambda: s3.get_object_attributes(Bucket="tour", Key="sum", ObjectAttributes=["ETag", "Checksum", "ObjectSize"]),
    {"ETag": md5(b"sum").strip('"'), "Checksum": {"ChecksumSHA256": ANYTHING}, "ObjectSize": 3},
)

# Keys that are no paths.
keys = ["a", "a/b", "../up", "x/../y", "/lead", "double//slash", "trail/", "nul\x01", "%2e%2e/z", "k" * 1024, "ü/ö", "."]
for one in keys:
    step(f"put {one[:20]!r}", lambda: s3.put_object(Bucket="tour", Key=one, Body=one.encode()), {"ETag": md5(one.encode())})
for one in keys:
    step(
        f"get {one[:20]!r}",
        lambda: s3.get_object(Bucket="tour", Key=one),
        {"Body": lambda stream: stream.read() == one.encode()},
    )
step("too long a key", lambda: s3.put_object(Bucket="tour", Key="k" * 1025, Body=b""), error("KeyTooLongError"))
listed = step(
    "all are listed",
    lambda: s3.list_objects_v2(Bucket="tour"),
    {"Contents": lambda found: set(keys) <= {one["Key"] for one in found}},
)

# Copies.
step(
    "copy",
    lambda: s3.copy_object(Bucket="tour", Key="copy", CopySource={"Bucket": "tour", "Key": key}),
    {"CopyObjectResult": {"ETag": md5(body), "LastModified": ANYTHING}},
)
step(
    "the copy",
    lambda: s3.head_object(Bucket="tour", Key="copy"),
    {"Metadata": {"some": "thing"}, "ContentType": "text/plain", "ContentLength": len(body)},
)
step(
    "copy with other metadata",
    lambda: (
        s3.copy_object(
            Bucket="tour",
            Key="copy",
            CopySource={"Bucket": "tour", "Key": "copy"},
            MetadataDirective="REPLACE",
            Metadata={"other": "2"},
            ContentType="x/y",
        ),
        s3.head_object(Bucket="tour", Key="copy"),
    )[1],
    {"Metadata": lambda found: found == {"other": "2"}, "ContentType": "x/y"},
)
step(
    "copy onto itself",
    lambda: s3.copy_object(Bucket="tour", Key="copy", CopySource={"Bucket": "tour", "Key": "copy"}),
    error("InvalidRequest"),
)
step(
    "copy of none",
    lambda: s3.copy_object(Bucket="tour", Key="copy", CopySource={"Bucket": "tour", "Key": "none"}),
    error("NoSuchKey"),
)
step(
    "copy if it matches",
    lambda: s3.copy_object(Bucket="tour", Key="c", CopySource="tour/copy", CopySourceIfMatch='"no"'),
    error("PreconditionFailed"),
)

# Tags.
step(
    "tags",
    lambda: s3.get_object_tagging(Bucket="tour", Key=key),
    {"TagSet": [{"Key": "k", "Value": "v"}, {"Key": "k2", "Value": "v 2"}]},
)
step(
    "tag",
    lambda: s3.put_object_tagging(Bucket="tour", Key=key, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
    OK,
)
step("untag", lambda: s3.delete_object_tagging(Bucket="tour", Key=key), NONE)
step("no tags", lambda: s3.get_object_tagging(Bucket="tour", Key=key), {"TagSet": []})
step("bucket without tags", lambda: s3.get_bucket_tagging(Bucket="tour"), error("NoSuchTagSet"))
step(
    "bucket tags",
    lambda: (
        s3.put_bucket_tagging(Bucket="tour", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
        s3.get_bucket_tagging(Bucket="tour"),
    )[1],
    {"TagSet": [{"Key": "a", "Value": "b"}]},
)

# Lists.
s3.create_bucket(Bucket="lists")
names = ["a/1", "a/2", "b", "c/d/e", "c/f", "z"]
for one in names:
    s3.put_object(Bucket="lists", Key=one, Body=b"1")
step(
    "by delimiter",
    lambda: s3.list_objects_v2(Bucket="lists", Delimiter="/"),
    {
        "Contents": [{"Key": "b", "Size": 1, "ETag": md5(b"1"), "StorageClass": "STANDARD"}, {"Key": "z"}],
        "CommonPrefixes": [{"Prefix": "a/"}, {"Prefix": "c/"}],
        "KeyCount": 4,
        "Delimiter": "/",
        "MaxKeys": 1000,
        "Name": "lists",
        "Prefix": "",
    },
)
step(
    "by prefix",
    lambda: s3.list_objects_v2(Bucket="lists", Prefix="c/", Delimiter="/"),
    {"Contents": [{"Key": "c/f"}], "CommonPrefixes": [{"Prefix": "c/d/"}]},
)
step("after a key", lambda: s3.list_objects_v2(Bucket="lists", StartAfter="b"), {"Contents": [{"Key": "c/d/e"}, {"Key": "c/f"}, {"Key": "z"}]})


def pages(**given):
    return [
        [one["Key"] for one in page.get("Contents", [])] + [one["Prefix"] for one in page.get("CommonPrefixes", [])]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="lists", PaginationConfig={"PageSize": 2}, **given)
    ]


step("pages", lambda: pages(), [["a/1", "a/2"], ["b", "c/d/e"], ["c/f", "z"]])
step("pages of folders", lambda: sorted(sum(pages(Delimiter="/"), [])), ["a/", "b", "c/", "z"])
step(
    "a bad token",
    lambda: s3.list_objects_v2(Bucket="lists", ContinuationToken="!!"),
    error("InvalidArgument"),
)
step(
    "the first version",
    lambda: s3.list_objects(Bucket="lists", MaxKeys=2, Delimiter="/"),
    {"IsTruncated": True, "NextMarker": "b", "Contents": [{"Key": "b"}], "CommonPrefixes": [{"Prefix": "a/"}]},
)
step(
    "its next page",
    lambda: s3.list_objects(Bucket="lists", Marker="b", Delimiter="/"),
    {"IsTruncated": False, "Contents": [{"Key": "z"}], "CommonPrefixes": [{"Prefix": "c/"}]},
)
step("no keys at all", lambda: s3.list_objects_v2(Bucket="lists", MaxKeys=0), {"KeyCount": 0, "IsTruncated": False})

# Uploads in parts.
PART = b"p" * (5 << 20)
upload = step(
    "begin",
    lambda: s3.create_multipart_upload(Bucket="tour", Key="big", ContentType="x/big", Metadata={"m": "1"}),
    {"UploadId": ANYTHING, "Bucket": "tour", "Key": "big"},
)
uid = upload["UploadId"]
one = step(
    "part 1",
    lambda: s3.upload_part(Bucket="tour", Key="big", UploadId=uid, PartNumber=1, Body=PART),
    {"ETag": md5(PART)},
)
two = step(
    "part 2",
    lambda: s3.upload_part(Bucket="tour", Key="big", UploadId=uid, PartNumber=2, Body=b"end"),
    {"ETag": md5(b"end")},
)
step(
    "parts",
    lambda: s3.list_parts(Bucket="tour", Key="big", UploadId=uid),
    {"Parts": [{"PartNumber": 1, "Size": len(PART)}, {"PartNumber": 2, "Size": 3, "ETag": md5(b"end")}], "IsTruncated": False},
)
step(
    "uploads",
    lambda: s3.list_multipart_uploads(Bucket="tour"),
    {"Uploads": [{"Key": "big", "UploadId": uid, "Initiated": ANYTHING}]},
)
step(
    "an unknown part",
    lambda: s3.complete_multipart_upload(
        Bucket="tour", Key="big", UploadId=uid, MultipartUpload={"Parts": [{"PartNumber": 9, "ETag": '"x"'}]}
    ),
    error("InvalidPart"),
)
step(
    "the wrong order",
    lambda: s3.complete_multipart_upload(
        Bucket="tour",
        Key="big",
        UploadId=uid,
        MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": md5(b"end")}, {"PartNumber": 1, "ETag": md5(PART)}]},
    ),
    error("InvalidPartOrder"),
)
whole = hashlib.md5(hashlib.md5(PART).digest() + hashlib.md5(b"end").digest()).hexdigest()
step(
    "complete",
    lambda: s3.complete_multipart_upload(
        Bucket="tour",
        Key="big",
        UploadId=uid,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": md5(PART)}, {"PartNumber": 2, "ETag": md5(b"end")}]},
    ),
    {"ETag": f'"{whole}-2"', "Bucket": "tour", "Key": "big", "Location": ANYTHING},
)
step(
    "the whole",
    lambda: s3.get_object(Bucket="tour", Key="big"),
    {
        "ContentLength": len(PART) + 3,
        "Body": lambda stream: stream.read() == PART + b"end",
        "ContentType": "x/big",
        "Metadata": {"m": "1"},
    },
)
step(
    "one part",
    lambda: s3.get_object(Bucket="tour", Key="big", PartNumber=2),
    {"Body": lambda stream: stream.read() == b"end", "PartsCount": 2, "ContentLength": 3},
)
step(
    "it is over",
    lambda: s3.upload_part(Bucket="tour", Key="big", UploadId=uid, PartNumber=3, Body=b"x"),
    error("NoSuchUpload"),
)
small = s3.create_multipart_upload(Bucket="tour", Key="small")["UploadId"]
etags = [
    s3.upload_part(Bucket="tour", Key="small", UploadId=small, PartNumber=n, Body=b"x")["ETag"] for n in (1, 2)
]
step(
    "too small",
    lambda: s3.complete_multipart_upload(
        Bucket="tour",
        Key="small",
        UploadId=small,
        MultipartUpload={"Parts": [{"PartNumber": n + 1, "ETag": tag} for n, tag in enumerate(etags)]},
    ),
    error("EntityTooSmall"),
)
step("abort", lambda: s3.abort_multipart_upload(Bucket="tour", Key="small", UploadId=small), NONE)
step(
    "abort twice", lambda: s3.abort_multipart_upload(Bucket="tour", Key="small", UploadId=small), error("NoSuchUpload")
)
copied = s3.create_multipart_upload(Bucket="tour", Key="copied")["UploadId"]
part = step(
    "copy a part",
    lambda: s3.upload_part_copy(
        Bucket="tour", Key="copied", UploadId=copied, PartNumber=1, CopySource="tour/big", CopySourceRange="bytes=0-9"
    ),
    {"CopyPartResult": {"ETag": md5(PART[:10])}},
)
step(
    "complete the copy",
    lambda: (
        s3.complete_multipart_upload(
            Bucket="tour",
            Key="copied",
            UploadId=copied,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": md5(PART[:10])}]},
        ),
        s3.head_object(Bucket="tour", Key="copied"),
    )[1],
    {"ContentLength": 10},
)

# Signed beforehand.


def fetch(url, method="GET", body=None):
    request = urllib.request.Request(url, method=method, data=body, headers={"Content-Type": ""} if body else {})
    with urllib.request.urlopen(request) as answer:
        return answer.status, answer.read()


def status(url):
    try:
        return fetch(url)[0]
    except urllib.error.HTTPError as refusal:
        return refusal.code


from botocore.config import Config  # noqa: E402
import boto3  # noqa: E402

for version in ["s3", "s3v4"]:
    signer = boto3.client(
        "s3",
        endpoint_url=tour.endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(signature_version=version, s3={"addressing_style": "path"}),
    )
    url = signer.generate_presigned_url("get_object", Params={"Bucket": "tour", "Key": key}, ExpiresIn=60)
    step(f"a signed url, {version}", lambda: fetch(url), lambda found: found == (200, body))
    put = signer.generate_presigned_url("put_object", Params={"Bucket": "tour", "Key": f"put-{version}"}, ExpiresIn=60)
    step(f"a signed url to put, {version}", lambda: fetch(put, "PUT", b"put")[0], 200)
    step(
        f"what was put, {version}",
        lambda: s3.get_object(Bucket="tour", Key=f"put-{version}")["Body"].read(),
        b"put",
    )
    if tour.peer != "moto":
        step(f"another key, {version}", lambda: status(url.replace("folder", "empty")), 403)
        step(
            f"an old url, {version}",
            lambda: status(
                signer.generate_presigned_url("get_object", Params={"Bucket": "tour", "Key": key}, ExpiresIn=1).replace(
                    "X-Amz-Expires=1", "X-Amz-Expires=2"
                )
            ) if version == "s3v4" else 403,
            403,
        )

# Deletions.
step("delete", lambda: s3.delete_object(Bucket="tour", Key="copy"), NONE)
step("delete twice", lambda: s3.delete_object(Bucket="tour", Key="copy"), NONE)
step(
    "delete several",
    lambda: s3.delete_objects(Bucket="tour", Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]}),
    {"Deleted": [{"Key": "a"}, {"Key": "none"}]},
)
step(
    "delete quietly",
    lambda: s3.delete_objects(Bucket="tour", Delete={"Objects": [{"Key": "a/b"}], "Quiet": True}),
    {"Deleted": None, "Errors": None},
)
step("delete a full bucket", lambda: s3.delete_bucket(Bucket="tour"), error("BucketNotEmpty"))
step(
    "empty it",
    lambda: s3.delete_objects(
        Bucket="tour", Delete={"Objects": [{"Key": one["Key"]} for one in s3.list_objects_v2(Bucket="tour")["Contents"]]}
    ),
    OK,
)
step("delete the bucket", lambda: s3.delete_bucket(Bucket="tour"), NONE)
step("it is gone", lambda: s3.list_objects_v2(Bucket="tour"), error("NoSuchBucket"))
if tour.peer != "moto":
    step(
        "what is not there is refused by name",
        lambda: s3.put_object(Bucket="lists", Key="k", Body=b"", ServerSideEncryption="aws:kms"),
        error("NotImplemented", "ServerSideEncryption"),
    )
    step(
        "an operation that is not there",
        lambda: s3.put_bucket_versioning(Bucket="lists", VersioningConfiguration={"Status": "Enabled"}),
        error("NotImplemented", "PutBucketVersioning"),
    )
tour.end()
