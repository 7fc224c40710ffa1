"""Freed memory that stays."""

from __future__ import annotations

import ctypes
import platform

import pytest

from kinesics import allocator


def test_it_says_whether_the_c_library_obeys() -> None:
    allocator.keep_freed_memory.cache_clear()
    assert allocator.keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


@pytest.mark.parametrize("missing", ["glibc", "mallopt"])
def test_without_it_nothing_is_changed(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allocator.keep_freed_memory.cache_clear()
    if missing == "glibc":
        monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    else:
        monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
        monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert allocator.keep_freed_memory() is False
    allocator.keep_freed_memory.cache_clear()
