"""The work of an audit on other machines: an executor of dask.distributed (the extra `dask`).

The machines have mmlint and the tree at the same path. A worker that dies loses nothing: its scheduler gives what it
had to another.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from mmlint.settings import SettingsError

_SECONDS = 10
"""How long a scheduler may take to answer."""


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of the scheduler at an address such as `tcp://10.0.0.1:8786`. Raises `SettingsError`."""
    try:
        distributed = importlib.import_module("distributed")
    except ImportError:
        raise SettingsError("--executor dask: it is not installed; pip install 'mmlint[dask]'") from None
    try:
        client = distributed.Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SettingsError(f"--scheduler {address}: no scheduler answers there ({reason})") from None
    try:
        executor: Executor = client.get_executor()
        yield executor
    finally:
        client.close()
