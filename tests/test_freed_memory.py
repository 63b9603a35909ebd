"""Freed memory goes back to the system, and what no row needs is not loaded. Each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

_RESIDENT = """
import time
from edms_tasks.scratch.lean_allocators import return_freed_memory_soon
return_freed_memory_soon()

def resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 // 1_000_000

def settled(limit: int) -> int:
    for _ in range(50):
        if resident() < limit:
            break
        time.sleep(0.1)
    return resident()
"""

_DUCKDB = (
    _RESIDENT
    + """
import duckdb
with duckdb.connect() as connection:
    connection.execute("SET threads = 1; SET enable_progress_bar = false")
    before = resident()
    connection.execute("CREATE TABLE t AS SELECT hash(i) AS h, i FROM range(12_000_000) r(i)")
    used = resident()
    connection.execute("DROP TABLE t")
    print(before, used, settled(before + 40))
"""
)

_BUFFERS = (
    _RESIDENT
    + """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def filled(size: int) -> int:
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    return block

libc.free(filled(30_000_000))  # from here on the C library would keep what is smaller
before = resident()
blocks = [(filled(500_000), filled(1_000)) for _ in range(400)]
used = resident()
for large, _ in blocks:
    libc.free(large)
print(before, used, settled(before + 40))
"""
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems count in other ways")
@pytest.mark.parametrize("work", [_DUCKDB, _BUFFERS], ids=["of a dropped table", "of buffers between small blocks"])
def test_freed_memory_goes_back_without_further_work(work: str) -> None:
    before, used, after = map(int, _said(work).split())

    assert used > before + 150, "it did not use much"
    assert after < before + 40


def test_making_arrays_does_not_load_pandas_and_to_pandas_still_works() -> None:
    said = _said("""
import sys
import edms_tasks.scratch.raw_table  # as whatever reads rows does
import pyarrow as pa
rows = pa.table({"n": pa.array([1, 2])}).take(pa.array([1]))
print("pandas" in sys.modules, list(rows.to_pandas()["n"]))
""")

    assert said == "False [2]"


def test_asking_the_edms_and_its_database_waits_for_no_library_of_rows() -> None:
    said = _said("""
import sys
import edms_tasks.inventory.run_probe, edms_tasks.databases
print([name for name in ("pyarrow", "duckdb", "pandas") if name in sys.modules])
""")

    assert said == "[]"


def _said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.strip()
