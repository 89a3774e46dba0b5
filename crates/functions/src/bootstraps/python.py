# Runs a Python handler over the Lambda Runtime API, with nothing but the standard library, and of that only what is
# quick to import: `http.client` alone takes as long as the interpreter does.
import importlib
import json
import logging
import os
import socket
import sys
import time

PREFIX = "/2018-06-01/runtime"


class Headers(dict):
    """Headers by their names, however these are written; `None` where there is none."""

    def __getitem__(self, name):
        return self.get(name.lower())


class Api:
    """The Runtime API, over the connection that this process has as its input. Each answer says how long it is."""

    def __init__(self):
        # Whatever else reads the input, or inherits it, has none.
        self.socket = socket.socket(fileno=os.dup(0))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def next(self):
        return self.taken(self.exchange(f"GET {PREFIX}/invocation/next HTTP/1.1\r\n\r\n".encode()))

    def answer(self, request_id, body, error_type):
        """Sends the answer of an invocation, and receives the next one."""
        what = "error" if error_type else "response"
        answered = self.post(f"/invocation/{request_id}/{what}?next", body, error_type)
        return self.taken(answered) if answered[0] == 200 else self.next()

    def post(self, path, body, error_type=None):
        head = f"POST {PREFIX}{path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n"
        if error_type:
            head += f"Lambda-Runtime-Function-Error-Type: {error_type}\r\n"
        return self.exchange(head.encode("latin-1", "replace") + b"\r\n" + body)

    def taken(self, answered):
        status, headers, body = answered
        if status != 200:
            sys.exit(1)
        return headers, body

    def exchange(self, request):
        self.socket.sendall(request)
        received = self.receive()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self.receive()
        first, *lines = received[:end].decode("latin-1").split("\r\n")
        headers = Headers()
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = received[end + 4:]
        missing = int(headers["content-length"]) - len(body)
        if missing > 0:
            pieces = [body]
            while missing > 0:
                pieces.append(self.receive())
                missing -= len(pieces[-1])
            body = b"".join(pieces)
        return int(first[9:12]), headers, body

    def receive(self):
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionError("nobody answers")
        return received


class Parts:
    """Values of JSON as attributes, `None` where there is none."""

    def __init__(self, names, values):
        values = values if isinstance(values, dict) else {}
        for name in names:
            setattr(self, name, values.get(name))


class ClientContext:
    CLIENT = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]

    def __init__(self, values):
        self.client = Parts(self.CLIENT, values["client"]) if values.get("client") else None
        self.custom = values.get("custom")
        self.env = values.get("env")


class LambdaContext:
    def __init__(self, headers):
        environment = os.environ
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        client_context = headers["Lambda-Runtime-Client-Context"]
        self.client_context = ClientContext(json.loads(client_context)) if client_context else None
        identity = json.loads(headers["Lambda-Runtime-Cognito-Identity"] or "{}")
        self.identity = Parts(["cognito_identity_id", "cognito_identity_pool_id"], {
            "cognito_identity_id": identity.get("cognitoIdentityId"),
            "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
        })
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class LogHandler(logging.Handler):
    request_id = ""

    def emit(self, record):
        record.aws_request_id = LogHandler.request_id
        print(self.format(record), flush=True)


def set_up_logging():
    handler = LogHandler()
    formatter = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)


def error(error_type, message, request_id="", trace=()):
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": list(trace)}


def load(name):
    """The handler, or the error that says why there is none."""
    module_name, _, function_name = name.rpartition(".")
    module_name = module_name.replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as problem:
        return None, error("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {problem}")
    except SyntaxError as problem:
        trace = [f"  File \"{problem.filename}\" Line {problem.lineno}\n    {problem.text or ''}"]
        return None, error(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {problem}", trace=trace
        )
    except Exception as problem:
        return None, failure(problem, "")
    handler = getattr(module, function_name, None)
    if handler is None:
        return None, error(
            "Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'"
        )
    return handler, None


def failure(problem, request_id):
    """An exception as Lambda shows it: without the frames of this file."""
    import traceback

    frames = [
        frame
        for frame in traceback.extract_tb(problem.__traceback__)
        if frame.filename != "<string>" and not frame.filename.startswith("<frozen importlib")
        and frame.filename != importlib.__file__
    ]
    return error(type(problem).__name__, str(problem), request_id, traceback.format_list(frames))


def encode(value):
    import collections.abc
    import decimal

    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def run(handler, headers, body):
    """The answer, and the error's type where it is one."""
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    LogHandler.request_id = request_id
    trace_id = headers["Lambda-Runtime-Trace-Id"]
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    try:
        event = json.loads(body)
    except ValueError as problem:
        message = f"Unable to unmarshal input: {problem}"
        return error("Runtime.UnmarshalError", message, request_id), "Runtime.UnmarshalError"
    try:
        result = handler(event, LambdaContext(headers))
    except Exception as problem:
        answer = failure(problem, request_id)
        print(f"[ERROR] {answer['errorType']}: {answer['errorMessage']}\nTraceback (most recent call last):")
        print("".join(answer["stackTrace"]), end="")
        return answer, answer["errorType"]
    try:
        return json.dumps(result, default=encode, ensure_ascii=False, allow_nan=False).encode("utf-8"), None
    except (TypeError, ValueError, RecursionError) as problem:
        message = f"Unable to marshal response: {problem}"
        return error("Runtime.MarshalError", message, request_id), "Runtime.MarshalError"


def main():
    api = Api()
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    set_up_logging()
    handler, problem = load(sys.argv[1])
    if problem:
        print(f"[ERROR] {problem['errorType']}: {problem['errorMessage']}", flush=True)
        api.post("/init/error", json.dumps(problem).encode("utf-8"), problem["errorType"])
        sys.exit(1)
    headers, body = api.next()
    while True:
        answer, error_type = run(handler, headers, body)
        sys.stdout.flush()
        sys.stderr.flush()
        if error_type:
            answer = json.dumps(answer).encode("utf-8")
        headers, body = api.answer(headers["Lambda-Runtime-Aws-Request-Id"], answer, error_type)


try:
    main()
except ConnectionError:
    # Whoever ran this is gone.
    os._exit(1)
