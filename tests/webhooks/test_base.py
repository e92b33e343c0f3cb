"""What answers mean by their status and headers, whatever stands in them."""

from __future__ import annotations

from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.webhooks.base import Response, judge_status, retry_after

NOW = 1_780_000_000.0  # 2026-05-28 20:26:40 UTC


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("Thu, 28 May 2026 20:27:40 GMT", 60.0), ("Thu, 28 May 2026 20:00:00 GMT", 0.0),
        ("", None), (None, None), ("soon", None), ("nan", None), ("inf", None), ("1e999", None), ("Thu, 99 May 2026 20:27:40 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -9999", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_any_retry_after_is_understood_or_left(value: str) -> None:
    found = retry_after(value, NOW)
    assert found is None or (isfinite(found) and found >= 0)


def test_it_counts_only_where_there_is_another_attempt() -> None:
    assert judge_status(Response(503, {"retry-after": "9"}, b""), NOW).after == 9.0
    assert judge_status(Response(400, {"retry-after": "9"}, b""), NOW).after is None


@pytest.mark.parametrize("body", [b"", b"[" * 65_536, b"\xff", b"{", b"nul"])
def test_a_body_that_is_no_json_is_none(body: bytes) -> None:
    assert Response(200, {}, body).json() is None
