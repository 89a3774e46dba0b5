"""A server of the Step Functions API, for tests that use an AWS SDK."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import Any

from .runner import StepwrightError, binary


class Server:
    """A server on a free port of this machine, which keeps everything in memory.

    It is a context manager; `stop` ends it otherwise.
    """

    def __init__(self, *, config: str | os.PathLike[str] | None = None, command: str | None = None) -> None:
        arguments = [command or binary(), "serve", "--memory", "--listen", "127.0.0.1:0"]
        if config is not None:
            arguments += ["--config", os.fspath(config)]
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.readers: list[threading.Thread] = []
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        if "http" not in line:
            said = self.process.stderr.read()
            self.stop()
            raise StepwrightError(f"the server does not start: {said.strip()}")
        self.url = "http" + line.split("http", 1)[1].split(",")[0]
        self.region = "us-east-1"
        self.account = "123456789012"
        # Nobody reads what it says, but it must be able to say it.
        streams = (self.process.stdout, self.process.stderr)
        self.readers = [threading.Thread(target=_drain, args=(it,), daemon=True) for it in streams]
        for reader in self.readers:
            reader.start()

    @property
    def environment(self) -> dict[str, str]:
        """What SDKs and tools of AWS need to find it."""
        return {
            "AWS_ENDPOINT_URL_SFN": self.url,
            "AWS_ENDPOINT_URL_LAMBDA": self.url,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "stepwright",
            "AWS_SECRET_ACCESS_KEY": "stepwright",
        }

    def client(self, service: str = "stepfunctions") -> Any:
        """A client of boto3, which must be installed."""
        import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]
        from botocore.config import Config  # type: ignore[import-not-found,import-untyped,unused-ignore]

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id="stepwright",
            aws_secret_access_key="stepwright",
            config=Config(inject_host_prefix=False),
        )

    def stop(self) -> None:
        """Ends the server."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for reader in self.readers:
            reader.join(timeout=10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _drain(stream: Any) -> None:
    for _ in stream:
        pass
