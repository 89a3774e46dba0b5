"""OpenTelemetry by OTLP over HTTP, with nothing but Python itself."""

import hashlib
import json
import os
import urllib.parse
import urllib.request

#: How long the endpoint may take, in seconds.
PATIENCE = 10

SERVICE = "stepwright"


def trace_id(name):
    """The trace of a name: 32 hexadecimal digits, the same for the same name."""
    return hashlib.sha256(("trace " + name).encode("utf-8")).hexdigest()[:32]


def span_id(execution_arn):
    """The span of an execution: 16 hexadecimal digits."""
    return hashlib.sha256(("span " + execution_arn).encode("utf-8")).hexdigest()[:16]


def attributes(tags):
    """Tags as OTLP has them."""
    return [{"key": key, "value": _value(value)} for key, value in sorted(tags.items())]


def _value(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and abs(value) < 2**63:
        # A 64-bit number is a text in OTLP's JSON.
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"stringValue": json.dumps(value, ensure_ascii=False, default=str)}


def log_record(kind, milliseconds, tags, trace, span):
    """The record of an event."""
    failed = kind not in ("ExecutionStarted", "ExecutionSucceeded")
    return {
        "timeUnixNano": _nanoseconds(milliseconds),
        "severityNumber": 17 if failed else 9,
        "severityText": "ERROR" if failed else "INFO",
        "body": {"stringValue": kind},
        "attributes": attributes(tags),
        "traceId": trace,
        "spanId": span,
    }


def span(name, start, end, tags, trace, identity, parent=None, error=None):
    """The span of an execution that has ended; times are milliseconds since the epoch."""
    record = {
        "traceId": trace,
        "spanId": identity,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": _nanoseconds(start),
        "endTimeUnixNano": _nanoseconds(end),
        "attributes": attributes(tags),
        "status": {"code": 1} if error is None else {"code": 2, "message": error},
    }
    if parent is not None:
        record["parentSpanId"] = parent
    return record


def _nanoseconds(milliseconds):
    return str(int(milliseconds) * 1_000_000)


def send(logs, spans):
    """Sends records to the endpoint of the environment; prints them where there is none."""
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    resource = {"attributes": attributes({"service.name": os.environ.get("OTEL_SERVICE_NAME") or SERVICE})}
    scope = {"name": "stepwright_fluxio"}
    if not endpoint:
        for record in logs:
            print(json.dumps(record, ensure_ascii=False))
        return
    if logs:
        scoped = [{"scope": scope, "logRecords": logs}]
        _post(endpoint, "/v1/logs", {"resourceLogs": [{"resource": resource, "scopeLogs": scoped}]})
    if spans:
        scoped = [{"scope": scope, "spans": spans}]
        _post(endpoint, "/v1/traces", {"resourceSpans": [{"resource": resource, "scopeSpans": scoped}]})


def _post(endpoint, path, body):
    headers = {"Content-Type": "application/json"}
    for header in filter(None, os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",")):
        name, _, value = header.partition("=")
        headers[name.strip()] = urllib.parse.unquote(value.strip())
    data = json.dumps(body, ensure_ascii=False).encode("utf-8")
    request = urllib.request.Request(endpoint.rstrip("/") + path, data=data, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        answer.read()
