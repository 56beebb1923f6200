"""What is written beside a checkpoint and goes again, and what stays: the one from before."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import deltarule as dr
from deltarule import _files

from ..conftest import make_blobs


@pytest.fixture
def net() -> dr.Network:
    net = dr.Network([dr.Dense(3)], "cross_entropy")
    net.build(5)
    return net


def next_of(net: dr.Network, path: Path) -> bytes:
    """Trains, saves and keeps the file from before."""
    net.fit(*make_blobs())
    net.save(path, keep_previous=True)
    return path.read_bytes()


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("link", [os.link, refuse], ids=["link", "copy"])
def test_the_one_from_before(
    net: dr.Network, tmp_path: Path, link: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a file system has no links, and whatever the permissions are."""
    monkeypatch.setattr(_files.os, "link", link)
    path, previous = tmp_path / "net", tmp_path / "net.previous"
    first = next_of(net, path)
    assert not previous.exists()
    path.chmod(0o600)
    second = next_of(net, path)
    assert (path.read_bytes(), previous.read_bytes()) == (second, first)
    assert {p.stat().st_mode & 0o777 for p in (path, previous)} == {0o600}
    net.save(path)  # which leaves it alone
    assert previous.read_bytes() == first
    assert next_of(net, path) != second
    assert previous.read_bytes() == second
    assert sorted(os.listdir(tmp_path)) == ["net", "net.previous"]


def test_killed_between_two_names(net: dr.Network, tmp_path: Path) -> None:
    """Both are of one file, and renaming one to the other then does nothing."""
    path = tmp_path / "net"
    first = next_of(net, path)
    os.link(path, tmp_path / "net.previous")
    second = next_of(net, path)
    assert [(tmp_path / name).read_bytes() for name in ("net", "net.previous")] == [second, first]
    assert sorted(os.listdir(tmp_path)) == ["net", "net.previous"]


def test_damage_is_found_and_nothing_else_read(net: dr.Network, tmp_path: Path) -> None:
    path = tmp_path / "net"
    next_of(net, path)
    sound = next_of(net, path)
    one, two = b"optimizer.1.0.weight", b"optimizer.2.0.weight"
    for damaged in (
        sound.replace(b'\\"epoch\\":2', b'\\"epoch\\":3'),
        sound[:-1] + bytes([sound[-1] ^ 1]),
        sound.replace(one, b"its name").replace(two, one).replace(b"its name", two),
    ):
        assert len(damaged) == len(sound) and damaged != sound
        path.write_bytes(damaged)
        with pytest.raises(dr.ModelFileError) as caught:
            dr.load(path)
        assert "its checksum is not that of what it says: it is damaged" in str(caught.value)
        assert f"the one from before is '{path}.previous'" in str(caught.value)
    assert dr.load(f"{path}.previous").epochs_done == 1
    (tmp_path / "net.previous").unlink()
    with pytest.raises(dr.ModelFileError, match=r"it is damaged$"):
        dr.load(path)


def test_what_the_dead_have_left(
    net: dr.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes with the next file of that name; not what somebody is writing, or has just made."""
    left, busy, other, link = (
        tmp_path / f".{name}.{digit * 16}.tmp"
        for name, digit in (("net", "0"), ("net", "a"), ("ne", "2"), ("net", "3"))
    )
    for path in (left, busy, other):
        path.write_bytes(b"half a file")
    link.symlink_to(other)
    net.save(tmp_path / "net")
    assert left.exists()
    monkeypatch.setattr(_files, "_SETTLED", -1.0)
    with busy.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        net.save(tmp_path / "net")
    assert {p.name for p in tmp_path.iterdir()} == {"net", busy.name, other.name, link.name}
    net.save(tmp_path / "net")
    assert not busy.exists()
