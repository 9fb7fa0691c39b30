"""The code of the service's own documentation, each call on a thread."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.benchmarks.documents import REQUEST
from tests.benchmarks.job import Clients, Way
from tests.benchmarks.kinds import THREADS
from tests.benchmarks.kinds.decoding import from_json


def on_threads(way: Way, files: list[Path]) -> None:
    """Do as its examples do."""

    def fetch(path: Path) -> None:
        response = requests.post(way.generate, json=REQUEST, verify=way.job.authority, timeout=None)  # noqa: S113 - it is held
        path.write_bytes(from_json(response.json()))

    with ThreadPoolExecutor(len(files)) as threads:
        list(threads.map(fetch, files))


CLIENTS = Clients(blocking={THREADS: on_threads})
