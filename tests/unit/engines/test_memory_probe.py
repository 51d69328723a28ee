"""The probe sees the machine, and the tightest control group around this process."""

from pathlib import Path

import pytest

from app.engines.memory_probe import (
    GroupMemory,
    SystemMemoryProbe,
    metal_headroom,
    tightest_group,
)

GIB = 2**30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_a_reading_is_of_this_moment_and_this_machine() -> None:
    reading = SystemMemoryProbe(monotonic=lambda: 42.0).read()
    assert reading.taken_at == 42.0
    assert 0 < reading.available_bytes <= reading.total_bytes


def test_version_2_counts_cached_pages_as_free(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/box\n",
            "sys/fs/cgroup/box/memory.max": "1000\n",
            "sys/fs/cgroup/box/memory.current": "400\n",
            "sys/fs/cgroup/box/memory.stat": "anon 250\ninactive_file 150\n",
        },
    )
    assert tightest_group(root) == GroupMemory(1000, 250)


def test_a_tighter_group_around_this_one_counts(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
            "sys/fs/cgroup/outer/inner/memory.current": "10\n",
            "sys/fs/cgroup/outer/memory.max": "500\n",
            "sys/fs/cgroup/outer/memory.current": "450\n",
            "sys/fs/cgroup/memory.max": "900\n",
            "sys/fs/cgroup/memory.current": "500\n",
        },
    )
    assert tightest_group(root) == GroupMemory(500, 450)


def test_version_1_is_read_where_it_is_mounted(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "5:memory:/docker/abc\n3:cpu:/docker/abc\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "1500\n",
            "sys/fs/cgroup/memory/memory.stat": "cache 9\ntotal_inactive_file 500\n",
        },
    )
    assert tightest_group(root) == GroupMemory(2000, 1000)


@pytest.mark.parametrize("limit", ["max", "9223372036854771712", "", "nonsense"])
def test_no_limit_is_no_group(tmp_path: Path, limit: str) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": limit,
            "sys/fs/cgroup/memory.current": "10\n",
        },
    )
    assert tightest_group(root) is None


def test_a_machine_without_control_groups_has_none(tmp_path: Path) -> None:
    assert tightest_group(tmp_path) is None


@pytest.mark.parametrize(
    ("limit_mb", "total", "wired", "room"),
    [
        (0, 24 * GIB, 4 * GIB, 12 * GIB),
        (0, 64 * GIB, 8 * GIB, 40 * GIB),
        (50 * 1024, 64 * GIB, 8 * GIB, 42 * GIB),
        (0, 24 * GIB, 30 * GIB, 0),
    ],
)
def test_metal_headroom_is_its_limit_less_what_is_wired(
    limit_mb: int, total: int, wired: int, room: int
) -> None:
    assert metal_headroom(limit_mb=limit_mb, total_bytes=total, wired_bytes=wired) == room
