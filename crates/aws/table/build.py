"""Makes the table of AWS's services from botocore's models.

    python crates/aws/table/build.py [--wheels DIR]

It writes, beside itself, `services.bin` (the table), `index.txt` (what is in it, for people: a new release shows as a
readable diff) and `NOTICE` (of botocore). The releases are pinned here with their hashes; the wheels are downloaded
with pip into DIR (`target/aws-table`) unless they are there. The newest release is installed into the Python that runs
this, because its evaluator of endpoint rules is used, so run it in an environment of its own: `cargo xtask aws-table`
does. The same releases give the same bytes.

services.bin:

    magic               8 bytes, `SWAWS\\0\\0\\1`
    length, catalogue   u32 little endian, and so many bytes: a deflated stream of numbers and texts
    blobs               one for each service

The catalogue holds the dictionary (a text), and for each service: its name in resources, the prefix of its errors, and
for each section of its blob the length when deflated and the length when unpacked. A number is a LEB128 varint. In the
catalogue a text is its length and its bytes.

A blob has five sections, each deflated: TEXTS (with the dictionary), FACTS, NAMES, SHAPES, TRAITS. A text in FACTS or
NAMES (the members of structures) is a number: 0 is the next text of TEXTS (they end in a line feed), n is the text that
came n-th. A reference to a shape is a number in SHAPES (0 is the next new shape, n the n-th) and one in TRAITS (the same
for traits, which are described in FACTS). `src/table/read.rs` is the other half of `Writer`.
"""

import argparse
import gzip
import hashlib
import json
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

HERE = Path(__file__).parent

# The newest first: a service is taken from the first release that has it.
RELEASES = [
    ("botocore", "1.44.8", "76342a76c338701db80dcb8afe1c9bd079283d6fffbb9d881442abb02a215043"),
    ("botocore", "1.40.70", "4a394ad25f5d9f1ef0bed610365744523eeb5c22de6862ab25d8c93f9f6d295c"),
    ("botocore", "1.35.99", "b22d27b6b617fc2d7342090d6129000af2efd20174215948c0d7ae2da0fab445"),
    ("botocore", "1.29.165", "6f35d59e230095aed7cd747604fe248fa384bebb7d09549077892f936a8ca3df"),
]
# The actions of IAM, from AWS's service reference (MIT-0).
ACTIONS = ("cfn-lint", "1.58.0", "9d9f06043160756a6158f5c3f92a44ce38254b1c578127461608305bc8262987")

PARTITIONS = ["aws", "aws-cn", "aws-us-gov"]

# What botocore prefers, but cbor last: it is used where a service has nothing else.
PROTOCOLS = ["json", "rest-json", "rest-xml", "query", "ec2", "smithy-rpc-v2-cbor"]
PREFERENCE = ["rest-json", "json", "query", "ec2", "rest-xml", "smithy-rpc-v2-cbor"]
METHODS = ["POST", "GET", "PUT", "DELETE", "PATCH", "HEAD"]
SIGNATURES = ["v4", "s3", "bearer", "none", "v4a"]
LOCATIONS = [None, "uri", "querystring", "header", "headers", "statusCode"]
TIMESTAMPS = [None, "iso8601", "unixTimestamp", "rfc822"]
KINDS = [
    "structure", "list", "map", "string", "boolean", "integer", "long", "float", "double", "timestamp", "blob", "document"
]


# -- names ------------------------------------------------------------------------------------------------------------


def words(text):
    """Splits a name as `CodegenNamingUtils.splitOnWordBoundaries` of the SDK for Java 2 does."""
    text = re.sub(r"[^A-Za-z0-9]+", " ", text)
    text = re.sub(r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 ", text)
    text = re.sub(r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 ", text)
    text = " ".join(re.split(r"(?<=[a-z])(?=[A-Z][a-zA-Z0-9])", text))
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", text)
    text = re.sub(r"([0-9])([a-zA-Z])", r"\1 \2", text)
    return text.split()


def error_prefix(service_id):
    """The prefix of a service's errors: the name that the SDK for Java 2 gives it."""
    name = "".join(word.capitalize() for word in words(service_id))
    return name.removeprefix("Amazon").removeprefix("Aws").removesuffix("Service")


# -- reading ----------------------------------------------------------------------------------------------------------


def wheel(folder, release):
    """The wheel of a release, downloaded if it is not there, and checked."""
    name, version, digest = release
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    if not path.exists():
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "download", "--no-deps", "--only-binary=:all:", "-d", str(folder), f"{name}=={version}"], check=True
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        sys.exit(f"{path} has the SHA-256 {found}, not {digest}: it is not the release that build.py names")
    return path


def merge(into, extra):
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


class Release:
    """The models in a wheel of botocore."""

    def __init__(self, path):
        self.zip = zipfile.ZipFile(path)
        self.folders = {}
        for name in self.zip.namelist():
            found = re.fullmatch(r"botocore/data/([^/]+)/([^/]+)/service-2\.json(\.gz)?", name)
            if found:
                self.folders.setdefault(found[1], []).append(found[2])
        self.names = set(self.zip.namelist())

    def json(self, path):
        for suffix in ("", ".gz"):
            if path + suffix in self.names:
                data = self.zip.read(path + suffix)
                return json.loads(gzip.decompress(data) if suffix else data)
        return None

    def load(self, folder, kind):
        """A file of the newest version of a service, with what botocore adds to it."""
        base = f"botocore/data/{folder}/{max(self.folders[folder])}/{kind}"
        model = self.json(f"{base}.json")
        extra = self.json(f"{base}.sdk-extras.json")
        if model is not None and extra is not None:
            merge(model, extra["merge"])
        return model


# -- writing ----------------------------------------------------------------------------------------------------------


def varint(value, out):
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


class Writer:
    """Writes one service."""

    def __init__(self, model, paginators, endpoints, iam, refused):
        self.model = model
        self.refused = refused
        self.shapes = model["shapes"]
        self.metadata = model["metadata"]
        self.endpoints = endpoints
        self.iam = iam
        self.paginators = (paginators or {}).get("pagination", {})
        self.texts, self.text_numbers = [], {}
        self.facts, self.names = bytearray(), bytearray()
        self.shape_refs, self.trait_refs = bytearray(), bytearray()
        self.shape_numbers, self.shape_keys, self.pending = {}, {}, []
        self.trait_numbers, self.error_lists = {}, {}
        self.protocol = next(one for one in PREFERENCE if one in protocols(self.metadata))
        self.service()

    # The parts of a blob.

    def number(self, value):
        varint(value, self.facts)

    def text(self, text, section=None):
        text = text or ""
        if "\n" in text:
            sys.exit(f"a text of {self.metadata['serviceId']} has a line feed: {text!r}")
        known = self.text_numbers.get(text)
        varint(known or 0, self.facts if section is None else section)
        if known is None:
            self.texts.append(text)
            self.text_numbers[text] = len(self.texts)

    def list_of_texts(self, texts):
        self.number(len(texts))
        for text in texts:
            self.text(text)

    def key(self, name):
        """What shapes are told apart by: structures by name, everything else by what it is."""
        shape = self.shapes[name]
        if shape["type"] == "structure" and not shape.get("document"):
            return name
        cached = self.shape_keys.get(name)
        if cached is None:
            self.shape_keys[name] = cached = self.plain_key(shape)
        return cached

    def plain_key(self, shape):
        kind = "document" if shape.get("document") else shape["type"]
        limits = (str(shape.get("min", "")), str(shape.get("max", "")))
        if kind == "list":
            member = shape["member"]
            return kind, limits, self.key(member["shape"]), self.traits(member)
        if kind == "map":
            key, value = shape["key"], shape["value"]
            return (
                (kind, limits, self.key(key["shape"]), self.traits(key), self.key(value["shape"]), self.traits(value))
            )
        return kind, limits, tuple(shape.get("enum", ()))

    def target(self, name):
        """A reference to a shape by its name."""
        key = self.key(name)
        known = self.shape_numbers.get(key)
        varint(known or 0, self.shape_refs)
        if known is None:
            self.shape_numbers[key] = len(self.shape_numbers) + 1
            self.pending.append(name)

    def reference(self, reference):
        """A reference to a shape, with the traits of both."""
        self.target(reference["shape"])
        self.trait(self.traits(reference))

    def errors(self, names):
        """A list of errors: 0 if it is new, else its number. Many operations have the same."""
        known = self.error_lists.get(names)
        self.number(known or 0)
        if known is None:
            self.error_lists[names] = len(self.error_lists) + 1
            self.number(len(names))
            for name in names:
                self.target(name)

    def traits(self, reference, required=False):
        """The traits of a reference, as botocore sees them: those of the shape, and over them those of the reference."""
        shape = self.shapes[reference["shape"]]
        one = {**shape, **reference}
        namespace = one.get("xmlNamespace") or {}
        if isinstance(namespace, str):
            namespace = {"uri": namespace}
        # Within JSON, the only kind that may have a format of its own is a timestamp.
        flags = [
            required,
            bool(one.get("idempotencyToken")),
            bool(one.get("flattened")),
            bool(one.get("xmlAttribute")),
            bool(one.get("jsonvalue")),
            bool(one.get("hostLabel")),
            bool(one.get("streaming")),
            bool(one.get("sensitive")),
            bool(one.get("eventstream")),
            bool(one.get("requiresLength")),
        ]
        return (
            sum(flag << at for at, flag in enumerate(flags)),
            LOCATIONS.index(one.get("location")),
            TIMESTAMPS.index(one.get("timestampFormat")),
            one.get("locationName"),
            one.get("queryName"),
            namespace.get("uri"),
            namespace.get("prefix"),
            (one.get("contextParam") or {}).get("name"),
        )

    def trait(self, traits, name=None):
        # A name on the wire that is the member's own with a small first letter is the rule, not a text.
        if name is not None and traits[3] is not None:
            small = name[:1].lower() + name[1:]
            if traits[3] == name:
                traits = (*traits[:3], 1, *traits[4:])
            elif traits[3] == small:
                traits = (*traits[:3], 2, *traits[4:])
        known = self.trait_numbers.get(traits)
        varint(known or 0, self.trait_refs)
        if known is None:
            self.trait_numbers[traits] = len(self.trait_numbers) + 1
            flags, location, timestamp, name_on_wire, *texts = traits
            how = name_on_wire if isinstance(name_on_wire, int) else 3 if name_on_wire is not None else 0
            self.number(flags)
            self.number(location | timestamp << 3 | how << 5 | any(text is not None for text in texts) << 7)
            if how == 3:
                self.text(name_on_wire)
            if any(text is not None for text in texts):
                for text in texts:
                    self.text(text)

    # What is written.

    def service(self):
        metadata = self.metadata
        for key in ("serviceId", "apiVersion", "endpointPrefix"):
            self.text(metadata[key])
        self.text(metadata.get("signingName") or metadata["endpointPrefix"])
        self.text(metadata.get("jsonVersion"))
        self.text(metadata.get("targetPrefix"))
        namespace = metadata.get("xmlNamespace") or {}
        self.text(namespace if isinstance(namespace, str) else namespace.get("uri"))
        self.text(self.iam.prefix)
        self.number(PROTOCOLS.index(self.protocol))
        self.number(sum(1 << PROTOCOLS.index(one) for one in protocols(metadata)))
        auth = metadata.get("auth", [])
        signature = {"s3v4": "s3", "v2": "v4"}.get(metadata["signatureVersion"], metadata["signatureVersion"])
        if auth and not any(one in ("aws.auth#sigv4", "smithy.api#httpBearerAuth") for one in auth):
            signature = "v4a"
        self.number(SIGNATURES.index(signature))
        self.number(int("awsQueryCompatible" in metadata))
        self.number(len(self.endpoints.sets))
        for rules in self.endpoints.sets:
            self.number(len(rules))
            for partition, template, region in rules:
                self.number(PARTITIONS.index(partition))
                self.text(template)
                self.text(region)
        operations = sorted(self.model["operations"].items())
        self.number(len(operations))
        for name, operation in operations:
            self.operation(name, operation)
        for name in self.pending:
            self.shape(name)

    def operation(self, name, operation):
        http = operation["http"]
        self.text(name)
        self.number(METHODS.index(http["method"]))
        self.text(http["requestUri"])
        checksum = operation.get("httpChecksum", {})
        paginator = self.paginators.get(name)
        auth = operation.get("authtype") or ""
        flags = [
            "input" in operation,
            "output" in operation,
            http.get("responseCode", 200) != 200,
            "endpoint" in operation,
            bool(operation.get("httpChecksumRequired") or checksum.get("requestChecksumRequired")),
            "requestAlgorithmMember" in checksum,
            auth == "none",
            "unsigned" in auth or bool(operation.get("unsignedPayload")),
            paginator is not None,
            bool(self.endpoints.of[name]),
            bool(operation.get("endpointdiscovery", {}).get("required")),
            bool(operation.get("deprecated")),
            "resultWrapper" in operation.get("output", {}),
            name in self.refused,
        ]
        self.number(sum(flag << at for at, flag in enumerate(flags)))
        if "input" in operation:
            self.reference(operation["input"])
        if "output" in operation:
            self.reference(operation["output"])
        if http.get("responseCode", 200) != 200:
            self.number(http["responseCode"])
        if "endpoint" in operation:
            self.text(operation["endpoint"].get("hostPrefix"))
        if "requestAlgorithmMember" in checksum:
            self.text(checksum["requestAlgorithmMember"])
        if paginator is not None:
            for key in ("input_token", "output_token", "result_key"):
                value = paginator.get(key, [])
                self.list_of_texts([value] if isinstance(value, str) else value)
            self.text(paginator.get("limit_key"))
            self.text(paginator.get("more_results"))
        if self.endpoints.of[name]:
            self.number(self.endpoints.of[name])
        if "resultWrapper" in operation.get("output", {}):
            self.text(operation["output"]["resultWrapper"])
        self.errors(tuple(error["shape"] for error in operation.get("errors", ())))
        known, actions = self.iam.actions(name, operation)
        self.number(0 if known and actions is None else 1 if not known else 2 + len(actions))
        for action in actions or ():
            self.text(action)

    def shape(self, name):
        shape = self.shapes[name]
        kind = "document" if shape.get("document") else {"character": "string"}.get(shape["type"], shape["type"])
        has_limits = "min" in shape or "max" in shape
        # Structures have a name where it can be seen: errors, and the elements of XML.
        exception = bool(shape.get("exception") or shape.get("fault") or shape.get("error"))
        named = exception or (kind == "structure" and self.protocol == "rest-xml")
        flags = [has_limits, bool(shape.get("enum")), named, exception, bool(shape.get("union")), "payload" in shape]
        self.number(KINDS.index(kind) | sum(flag << at for at, flag in enumerate(flags)) << 4)
        if has_limits:
            self.text(str(shape.get("min", "")))
            self.text(str(shape.get("max", "")))
        if shape.get("enum"):
            self.list_of_texts(shape["enum"])
        if kind == "list":
            self.reference(shape["member"])
        elif kind == "map":
            self.reference(shape["key"])
            self.reference(shape["value"])
        elif kind == "structure":
            self.structure(name, shape, named, exception)

    def structure(self, name, shape, named, exception):
        if named:
            self.text(name)
        if exception:
            error = shape.get("error", {})
            self.text(error.get("code"))
            status = error.get("httpStatusCode", 0)
            self.number(status)
            self.number(int(bool(shape.get("fault") or error.get("fault"))))
        members = shape.get("members", {})
        # The events of a stream are left out: streams are refused.
        if shape.get("eventstream"):
            members = {}
        if "payload" in shape:
            self.number(list(members).index(shape["payload"]))
        self.number(len(members))
        required = set(shape.get("required", ()))
        for key, reference in members.items():
            self.text(key, self.names)
            self.target(reference["shape"])
            self.trait(self.traits(reference, key in required), key)

    def sections(self):
        texts = "".join(text + "\n" for text in self.texts).encode()
        return [texts, *map(bytes, (self.facts, self.names, self.shape_refs, self.trait_refs))]


def protocols(metadata):
    return metadata.get("protocols") or [metadata["protocol"]]


# -- endpoints --------------------------------------------------------------------------------------------------------


class Endpoints:
    """Where a service is, for each partition, if it is not `https://PREFIX.REGION.SUFFIX`, signed for the region."""

    def __init__(self, model, rules, partitions):
        self.sets, self.of = [], {}
        numbers = {}
        metadata = model["metadata"]
        for name, operation in sorted(model["operations"].items()):
            static = {key: one["value"] for key, one in operation.get("staticContextParams", {}).items()}
            key = tuple(sorted(static.items()))
            if key not in numbers:
                found = () if rules is None else self.resolve(metadata, rules, partitions, static)
                if found not in self.sets:
                    self.sets.append(found)
                numbers[key] = self.sets.index(found)
            self.of[name] = numbers[key]
        if not self.sets:
            self.sets.append(())

    @staticmethod
    def resolve(metadata, rules, partitions, static):
        from botocore.endpoint_provider import EndpointProvider

        provider = EndpointProvider(rules, partitions)
        found = []
        for partition in PARTITIONS:
            facts = next(one for one in partitions["partitions"] if one["id"] == partition)
            standard = f"https://{metadata['endpointPrefix']}.{{region}}.{facts['outputs']['dnsSuffix']}"
            results = {}
            for region in facts["regions"]:
                if region.endswith("-global"):
                    continue
                try:
                    endpoint = provider.resolve_endpoint(Region=region, **static)
                except Exception:
                    continue
                schemes = endpoint.properties.get("authSchemes") or [{}]
                signed = schemes[0].get("signingRegion") or ""
                if all(scheme.get("name") == "sigv4a" for scheme in schemes):
                    signed = "*"
                # In its own region, a service with one place looks as if it were regional.
                fixed = signed not in ("", region)
                url = endpoint.url if fixed else endpoint.url.replace(region, "{region}")
                one = (url, signed if fixed else "")
                results[one] = results.get(one, 0) + 1
            if not results:
                continue
            fixed = [one for one in results if one[1]]
            url, signed = fixed[0] if fixed else max(sorted(results), key=results.get)
            if (url, signed) != (standard, ""):
                found.append((partition, url, signed))
        return tuple(found)


# -- IAM --------------------------------------------------------------------------------------------------------------


class Iam:
    """The names of the actions, by the rows of iam.txt and the actions that exist."""

    def __init__(self, known, name, metadata):
        self.known = known
        self.name = name
        self.rows, self.prefix = {}, metadata.get("signingName") or metadata["endpointPrefix"]
        for line in (HERE / "iam.txt").read_text().splitlines():
            fields = line.split()
            if not fields or fields[0].startswith("#"):
                continue
            if fields[0] == "prefix" and fields[1] == name:
                self.prefix = fields[2]
            elif fields[0] == name:
                self.rows[fields[1]] = fields[2:]
        self.used = set()

    def exists(self, action):
        prefix, _, name = action.partition(":")
        return name.lower() in self.known.get(prefix, ())

    def actions(self, name, operation):
        """Whether they are known; and the actions, if they are not the one of the operation's name."""
        row = self.rows.get(name)
        if row is None and operation.get("authtype") == "none":
            return True, []
        if row is None and self.exists(f"{self.prefix}:{name}"):
            return True, None
        if row is None:
            row = self.rows.get("*")
        if row is None:
            return False, None
        self.used.add(name if name in self.rows else "*")
        if row == ["NONE"]:
            return True, []
        if row == ["METHOD"]:
            row = [operation["http"]["method"]]
        actions = [one if ":" in one else f"{self.prefix}:{one}" for one in row]
        for action in actions:
            if not self.exists(action):
                sys.exit(f"iam.txt: {self.name} {name}: there is no action {action}")
        return True, actions

    def check(self):
        for name in sorted(self.rows.keys() - self.used):
            sys.exit(f"iam.txt: {self.name} {name}: there is no such operation, or it needs no row")


# -- all of it --------------------------------------------------------------------------------------------------------


def deflated(data, dictionary=b""):
    extra = {"zdict": dictionary} if dictionary else {}
    packer = zlib.compressobj(level=9, wbits=-15, memLevel=9, **extra)
    return packer.compress(data) + packer.flush()


def dictionary(blobs):
    """The texts that most services have, the most frequent last."""
    counts = {}
    for blob in blobs:
        for text in blob.texts:
            counts[text] = counts.get(text, 0) + 1
    worth = sorted(
        (text for text, count in counts.items() if count > 3 and 2 < len(text) < 200),
        key=lambda text: (counts[text], text),
        reverse=True,
    )
    kept, size = [], 0
    for text in worth:
        if size + len(text) + 1 > 32_000:
            break
        kept.append(text)
        size += len(text) + 1
    return "".join(text + "\n" for text in reversed(kept)).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--wheels", type=Path, default=HERE.parents[2] / "target" / "aws-table")
    folder = parser.parse_args().wheels
    folder.mkdir(parents=True, exist_ok=True)
    wheels = [wheel(folder, release) for release in RELEASES]
    try:
        import botocore

        installed = botocore.__version__
    except ImportError:
        installed = None
    if installed != RELEASES[0][1]:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", str(wheels[0])], check=True)
    lint = zipfile.ZipFile(wheel(folder, ACTIONS))
    policies = json.loads(lint.read("cfnlint/data/AdditionalSpecs/Policies.json"))
    known = {prefix: set(one["Actions"]) for prefix, one in policies.items()}
    lines = [line.split() for line in (HERE / "documented.txt").read_text().splitlines() if line[:1] not in ("", "#")]
    documented = {prefix: refused for prefix, *refused in lines}

    releases = [Release(path) for path in wheels]
    partitions = releases[0].json("botocore/data/partitions.json")
    services = {}
    for release, (_, version, _) in zip(releases, RELEASES, strict=True):
        for name in sorted(release.folders):
            model = release.load(name, "service-2")
            prefix = error_prefix(model["metadata"]["serviceId"])
            # Of earlier releases, only what Step Functions still lists.
            if prefix.lower() in services or (release is not releases[0] and prefix not in documented):
                continue
            endpoints = Endpoints(model, release.load(name, "endpoint-rule-set-1"), partitions)
            iam = Iam(known, prefix.lower(), model["metadata"])
            writer = Writer(model, release.load(name, "paginators-1"), endpoints, iam, documented.get(prefix, ()))
            iam.check()
            services[prefix.lower()] = (prefix, version, writer)
    missing = sorted(documented.keys() - {prefix for prefix, _, _ in services.values()})
    if missing:
        sys.exit(f"no release has {', '.join(missing)}")
    write(services)
    (HERE / "NOTICE").write_bytes(notice(releases[0]))


def notice(release):
    name = next(name for name in sorted(release.names) if name.endswith("/NOTICE"))
    head = f"services.bin and index.txt are made from the service models of botocore {RELEASES[0][1]} (and, for services\n"
    head += f"that it no longer has, {', '.join(version for _, version, _ in RELEASES[1:])}), which is licensed under the\n"
    head += "Apache License, Version 2.0 (LICENSE-APACHE at the top of the repository). Changed: documentation, patterns,\n"
    head += "examples and waiters are left out, the rest is written in another form. The names of IAM's actions were checked\n"
    head += f"with the list in cfn-lint {ACTIONS[1]} (MIT-0). botocore's own notice follows.\n\n"
    return head.encode() + release.zip.read(name)


def write(services):
    ordered = sorted(services.items())
    common = dictionary([writer for _, (_, _, writer) in ordered])
    catalogue, blobs = bytearray(), bytearray()
    varint(len(common), catalogue)
    catalogue += common
    varint(len(ordered), catalogue)
    lines = []
    for name, (prefix, version, writer) in ordered:
        for text in (name, prefix):
            varint(len(text), catalogue)
            catalogue += text.encode()
        sections = writer.sections()
        for at, section in enumerate(sections):
            packed = deflated(section, common if at == 0 else b"")
            varint(len(packed), catalogue)
            varint(len(section), catalogue)
            blobs += packed
        lines.append(index(name, version, writer, b"".join(sections)))
    head = deflated(bytes(catalogue))
    out = b"SWAWS\0\0\1" + len(head).to_bytes(4, "little") + head + bytes(blobs)
    (HERE / "services.bin").write_bytes(out)
    count = sum(len(writer.model["operations"]) for _, (_, _, writer) in ordered)
    unknown = sum(writer.unknown for _, (_, _, writer) in ordered)
    start = [
        "What is in services.bin. One paragraph a service: its name in resources, the release of botocore and the version",
        "of its API, its protocol, the number of operations and the hash of its part of the table; then its operations.",
        "`?` stands behind an operation whose action in IAM is not known, `=` before the actions where they differ.",
        f"{len(ordered)} services, {count} operations; {unknown} of them with an action that is not known.",
        "",
    ]
    (HERE / "index.txt").write_text("\n".join([*start, *lines]))
    print(f"{len(ordered)} services, {count} operations, {unknown} actions not known, {len(out)} bytes")


def index(name, version, writer, data):
    digest = hashlib.sha256(data).hexdigest()[:12]
    operations = sorted(writer.model["operations"].items())
    line = f"{name} botocore-{version} {writer.metadata['apiVersion']} {writer.protocol} {len(operations)} {digest}\n"
    writer.unknown = 0
    items = []
    for operation, facts in operations:
        known, actions = writer.iam.actions(operation, facts)
        if not known:
            writer.unknown += 1
            items.append(f"{operation}?")
        elif actions is not None:
            items.append(f"{operation}={'+'.join(actions) or 'NONE'}")
        else:
            items.append(operation)
    text, width = "   ", 0
    for item in items:
        if width + len(item) > 112:
            text += "\n   "
            width = 0
        text += f" {item}"
        width += len(item) + 1
    return f"{line}{text}\n"


main()
