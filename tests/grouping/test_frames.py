"""Which frames of a stack locate the bug."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.grouping.frames import frame_key, locate, significant_frames
from crashvault.models import Frame


def stack(*functions: str) -> list[Frame]:
    """`module function` from the oldest call to the crash; `-` marks what is not the user's."""
    frames: list[Frame] = []
    for number, text in enumerate(functions, 1):
        module, _, function = text.lstrip("-").rpartition(" ")
        frames.append({"module": module, "function": function, "line": number, "in_app": not text.startswith("-")})
    return frames


def place(frames: list[Frame], platform: str = "python", error: str | None = None) -> list[str]:
    return locate(frames, platform, error)[0][0]


def test_the_own_frame_nearest_the_crash() -> None:
    frames = stack("shop main", "shop.cart add", "-requests.api get", "-socket connect")
    assert place(frames) == ["shop.cart add"]
    assert significant_frames(frames, "python")[0]["line"] == 2


def test_without_own_frames_the_nearest_library() -> None:
    assert place(stack("-requests.api get", "-asyncio.runners run")) == ["requests.api get"]


def test_only_runtime_frames_are_better_than_none() -> None:
    assert place(stack("-asyncio.runners run", "-asyncio.base _run")) == ["asyncio.base _run"]


def test_frames_that_nobody_judged_are_own_unless_known() -> None:
    frames: list[Frame] = [{"module": "shop", "function": "f"}, {"module": "django.core", "function": "g"}]
    assert place(frames) == ["shop f"]


def test_a_marked_framework_frame_is_believed() -> None:
    assert place(stack("shop f", "django.core g")) == ["django.core g"]


@pytest.mark.parametrize("helper", ["wrapper", "inner", "__call__", "fail", "panic", "_log", "reraise", "unwrap"])
def test_a_helper_is_passed_over_for_its_caller(helper: str) -> None:
    assert place(stack("shop main", "shop.cart add", f"shop.common {helper}")) == ["shop.cart add"]


def test_a_helper_that_a_framework_called_stays() -> None:
    frames = stack("shop main", "-wsgi a", "-wsgi b", "-wsgi c", "shop.middleware __call__")
    assert place(frames) == ["shop.middleware __call__"]


def test_a_helper_alone_stays() -> None:
    assert place(stack("-wsgi a", "shop.common fail")) == ["shop.common fail"]


@pytest.mark.parametrize("guard", ["check_stock", "requirePositive", "ensure_open", "assertValid", "verify"])
def test_a_guard_is_passed_over_when_it_refused(guard: str) -> None:
    frames = stack("shop.cart add", f"shop.common {guard}")
    assert place(frames, error="ValueError") == ["shop.cart add"]
    assert place(frames, error="AttributeError") == [f"shop.common {guard}"]


@pytest.mark.parametrize("name", ["checkout", "requirements", "expected_total", "mustard", "verified"])
def test_a_word_that_begins_like_a_guard_is_none(name: str) -> None:
    assert place(stack("shop.cart add", f"shop {name}"), error="ValueError") == [f"shop {name}"]


def test_a_comprehension_is_its_function() -> None:
    assert place(stack("shop total", "shop <genexpr>")) == ["shop total"]


def test_an_anonymous_function_takes_the_nearest_named_frame_along() -> None:
    assert place(stack("shop main", "shop total", "shop <lambda>", "shop <lambda>")) == ["shop", "shop total"]


def test_recursion_depth_does_not_matter() -> None:
    shallow, deep = (stack("shop main", *["shop down"] * depth) for depth in (2, 1000))
    assert place(shallow) == place(deep)


def test_endless_recursion_is_its_cycle_wherever_it_was_noticed() -> None:
    cycle = ["shop ping", "shop pong"]
    one = stack("shop main", *cycle * 400)
    other = stack("shop other_main", *cycle * 400, "shop ping", "shop helper")
    assert place(one, error="RecursionError") == place(other, error="RecursionError") == ["shop ping", "shop pong"]
    collapsed: list[Frame] = [
        {"module": "shop", "function": "ping", "count": 900},
        {"module": "shop", "function": "leaf"},
    ]
    assert place(collapsed, error="RecursionError") == ["shop ping"]


def test_a_native_crash_state_is_three_significant_functions() -> None:
    names = [
        "main",
        "run(int)",
        "shop::a(int)",
        "shop::b<int>(int)",
        "std::vector<int>::at(unsigned long)",
        "abort",
        "raise",
    ]
    frames: list[Frame] = [{"function": name} for name in names]
    assert place(frames, "native") == ["shop::b", "shop::a", "run"]
    assert [frame["function"] for frame in significant_frames(frames, "native")] == names[3:0:-1]


@pytest.mark.parametrize(
    ("platform", "frame"),
    [
        ("java", {"module": "java.util.ArrayList", "function": "get"}),
        ("java", {"module": "org.springframework.web.Servlet", "function": "service"}),
        (
            "javascript",
            {"file": "node:internal/process/task_queues", "function": "processTicksAndRejections"},
        ),
        ("go", {"module": "runtime", "function": "goexit"}),
        ("rust", {"function": "core::panicking::panic_fmt::h1234567890abcdef"}),
        ("csharp", {"module": "System.Collections.Generic.List`1", "function": "get_Item"}),
        ("elixir", {"module": "gen_server", "function": "handle_call/3"}),
        ("ruby", {"file": "<internal:kernel>", "function": "loop"}),
        ("python", {"file": "<frozen importlib._bootstrap>", "function": "_call_with_frames_removed"}),
    ],
)
def test_runtime_frames_give_way(platform: str, frame: Frame) -> None:
    own: Frame = {"module": "shop.cart", "file": "shop/cart.x", "function": "shop::cart::add"}
    assert locate([own, frame], platform)[0][1] is own


def test_frame_keys_for_comparisons_have_no_line() -> None:
    one: Frame = {"module": "shop", "function": "f", "line": 1, "in_app": True}
    assert frame_key(one, "python") == frame_key({**one, "line": 2}, "python") == "shop f"


TEXT = st.one_of(
    st.none(), st.text(max_size=12), st.sampled_from(["wrapper", "check_x", "<lambda>", "std::x", "node:x"])
)
FRAMES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "function": TEXT,
            "file": TEXT,
            "module": TEXT,
            "in_app": st.booleans(),
            "count": st.integers(),
        },
    ),
    max_size=12,
)


@given(FRAMES, st.sampled_from(["python", "java", "javascript", "native", "go", "other", None]), TEXT)
def test_any_frames(frames: list[Frame], platform: str | None, error: str | None) -> None:
    (texts, frame), _ = locate(frames, platform, error)
    assert (frame is None) == (not texts)
    assert all(found in frames for found in significant_frames(frames, platform, error))
