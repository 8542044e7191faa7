"""An Envoy in front of two subjects."""

from __future__ import annotations

import json
import os
import pathlib
import string
import subprocess
import tempfile
import urllib.error
import urllib.request

from cases import CaseFailed, eventually
from subject import Subject

CONFIG = pathlib.Path(__file__).with_name("envoy.yaml")


class Envoy:
    """One Envoy with the listeners of `envoy.yaml`. Leaving the `with` block ends it."""

    def __init__(self, one: Subject, two: Subject) -> None:
        self._folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self._folder.name, "envoy.yaml")
        config.write_text(string.Template(CONFIG.read_text()).substitute(one=one.port, two=two.port))
        self._admin = pathlib.Path(self._folder.name, "admin")
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
        command = [
            os.environ["ENVOY"],
            *options,
            "--config-path",
            str(config),
            "--admin-address-path",
            str(self._admin),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def __enter__(self) -> Envoy:
        try:
            eventually(self._listeners_count, 2, "Envoy's listeners")
        except CaseFailed:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def listener(self, name: str) -> str:
        """The address of the listener of this name."""
        address = self._listeners()[name]
        return f"{address['address']}:{address['port_value']}"

    def health(self, cluster: str) -> dict[str, bool]:
        """Which upstreams Envoy takes for healthy by its own checks."""
        for status in self._ask("/clusters?format=json")["cluster_statuses"]:
            if status["name"] == cluster:
                return {_address(host): _passes(host) for host in status["host_statuses"]}
        raise CaseFailed(f"Envoy has no cluster {cluster}")

    def _listeners_count(self) -> int:
        if self._process.poll() is not None:
            raise CaseFailed(f"Envoy ended with exit status {self._process.returncode}")
        try:
            return len(self._listeners())
        except (OSError, urllib.error.URLError):
            return 0

    def _listeners(self) -> dict[str, dict[str, object]]:
        statuses = self._ask("/listeners?format=json").get("listener_statuses", [])
        return {status["name"]: status["local_address"]["socket_address"] for status in statuses}

    def _ask(self, path: str) -> dict:
        with urllib.request.urlopen(f"http://{self._admin.read_text().strip()}{path}", timeout=5) as reply:
            return json.load(reply)


def _address(host: dict) -> str:
    address = host["address"]["socket_address"]
    return f"{address['address']}:{address['port_value']}"


def _passes(host: dict) -> bool:
    return not host["health_status"].get("failed_active_health_check", False)
