"""Which expression raises what, in languages other than Python, and what would prevent it; which type of handler gets what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Raiser(NamedTuple):
    """An expression that can crash so."""

    exception: str  # regular expression for the whole type
    said: str  # and one that the title must have
    nodes: tuple[str, ...]  # types of nodes, in tree-sitter's words
    named: str  # regular expression for the whole operator, or the name of what is called; "": any
    advice: str


_NIL = "check for nil"
_ZERO = "check that it is not zero"
_LENGTH = "check the length"
_SCRIPT = (
    Raiser("TypeError", r"undefined|null", ("member_expression", "subscript_expression"), "", "check for undefined and null, or use ?."),
    Raiser("TypeError", r"is not a function", ("call_expression",), "", "check that it is a function"),
    Raiser("TypeError", r"is not iterable", ("for_in_statement", "spread_element", "array_pattern"), "", "check that it can be iterated"),
    Raiser("SyntaxError", "JSON", ("call_expression",), "parse", "catch what cannot be parsed"),
    Raiser("URIError", "", ("call_expression",), r"decodeURI(Component)?", "catch what cannot be decoded"),
)  # fmt: skip
_NATIVE = (
    Raiser(r"(AddressSanitizer: )?(SIG)?SEGV|SIGBUS|EXC_BAD_ACCESS", "", ("field_expression", "pointer_expression", "subscript_expression"), r"->|\*|", "check the pointer"),
    Raiser(r"(AddressSanitizer: )?(SIG)?FPE|EXC_ARITHMETIC", "", ("binary_expression",), "[/%]", _ZERO),
    Raiser(r"out_of_range", "", ("call_expression",), "at", _LENGTH),
    Raiser(r"bad_optional_access", "", ("call_expression",), "value", "check that it has a value"),
)  # fmt: skip
RAISERS: Mapping[str, tuple[Raiser, ...]] = {
    "JavaScript": _SCRIPT,
    "TypeScript": _SCRIPT,
    "Java": (
        Raiser(r"NullPointerException", "", ("method_invocation", "field_access", "array_access"), "", "check for null"),
        Raiser(r"(Array)?IndexOutOfBoundsException", "", ("array_access",), "", _LENGTH),
        Raiser(r"(String)?IndexOutOfBoundsException", "", ("method_invocation",), "get|set|remove|charAt|substring|subList", _LENGTH),
        Raiser(r"ArithmeticException", "zero", ("binary_expression",), "[/%]", _ZERO),
        Raiser(r"ClassCastException", "", ("cast_expression",), "", "check it with instanceof"),
        Raiser(r"NumberFormatException", "", ("method_invocation",), "parse.*|valueOf|decode", "catch what is no number"),
        Raiser(r"NoSuchElementException", "", ("method_invocation",), "get|next|orElseThrow|getFirst|getLast", "check that there is one"),
    ),
    "Go": (
        Raiser("panic", r"nil pointer", ("selector_expression", "unary_expression", "index_expression"), "", _NIL),
        Raiser("panic", r"out of range", ("index_expression", "slice_expression"), "", _LENGTH),
        Raiser("panic", r"divide by zero", ("binary_expression",), "[/%]", _ZERO),
        Raiser("panic", r"interface conversion", ("type_assertion_expression",), "", "take the second value, which says whether it is of that type"),
        Raiser("panic", r"nil map", ("index_expression",), "", "make the map first"),
    ),
    "Ruby": (
        Raiser("NoMethodError", r"\bnil\b", ("call", "element_reference"), "", "check for nil, or use &."),
        Raiser("KeyError", "", ("call",), "fetch", "give fetch a default, or check that the key is there"),
        Raiser("IndexError", "", ("call",), "fetch", "give fetch a default, or check the length"),
        Raiser("ZeroDivisionError", "", ("binary",), "[/%]", _ZERO),
        Raiser("TypeError", r"\bnil\b", ("binary", "call"), "", _NIL),
        Raiser("ArgumentError", r"invalid (value|date)", ("call",), "Integer|Float|parse|strptime", "rescue what cannot be parsed"),
    ),
    "Rust": (
        Raiser("panic", r"unwrap\(\)|called `(Option|Result)", ("call_expression",), "unwrap|unwrap_err", "match it, use ? or unwrap_or"),
        Raiser("panic", r"index out of bounds|out of range", ("index_expression",), "", "use .get(), or check the length"),
        Raiser("panic", r"by zero", ("binary_expression",), "[/%]", "use checked_div, or check that it is not zero"),
        Raiser("panic", r"RefCell|already (mutably )?borrowed", ("call_expression",), "borrow|borrow_mut", "use try_borrow"),
        Raiser("panic", "", ("call_expression",), "expect|expect_err", "match it, use ? or unwrap_or"),
    ),
    "C": _NATIVE,
    "C++": _NATIVE,
}  # fmt: skip


def raisers(language: str, exception: str, title: str) -> list[Raiser]:
    """Those that fit a crash."""
    return [
        item
        for item in RAISERS.get(language, ())
        if re.fullmatch(item.exception, exception) and re.search(item.said, title)
    ]


# Type of a handler → regular expression for the whole types that it gets, besides its own.
_JAVA_RUNTIME = (
    r"(NullPointer|(Array|String)?IndexOutOfBounds|Arithmetic|ClassCast|NumberFormat|NoSuchElement|InputMismatch|IllegalArgument|IllegalState|"
    r"ConcurrentModification|UnsupportedOperation|NegativeArraySize|ArrayStore|DateTime|EmptyStack|UncheckedIO)Exception"
)
_RUBY_FATAL = r"NoMemoryError|ScriptError|LoadError|NotImplementedError|SyntaxError|SecurityError|SignalException|Interrupt|SystemExit|SystemStackError|Exception"  # fmt: skip
_CPP_LOGIC = r"out_of_range|invalid_argument|domain_error|length_error|future_error"
_CPP_RUNTIME = r"range_error|overflow_error|underflow_error|system_error|filesystem_error|format_error|regex_error"
_WIDER: Mapping[str, Mapping[str, str]] = {
    "Java": {
        "Throwable": ".*",
        "Exception": ".*Exception",
        "RuntimeException": _JAVA_RUNTIME,
        "IndexOutOfBoundsException": r"(Array|String)IndexOutOfBoundsException",
        "IllegalArgumentException": r"NumberFormatException|.*Format.*Exception",
        "NoSuchElementException": "InputMismatchException",
        "Error": ".*Error",
    },
    "Ruby": {
        "Exception": ".*",
        "StandardError": rf"(?!({_RUBY_FATAL})$).*",
        "NameError": "NoMethodError",
        "IndexError": "KeyError|StopIteration",
        "RangeError": "FloatDomainError",
        "RuntimeError": "FrozenError",
        "ArgumentError": "UncaughtThrowError",
        "IOError": "EOFError",
        "SystemCallError": "E[A-Z0-9]+",
    },
    "C++": {
        "exception": rf"(bad_\w+|logic_error|runtime_error|{_CPP_LOGIC}|{_CPP_RUNTIME})",
        "logic_error": _CPP_LOGIC,
        "runtime_error": _CPP_RUNTIME,
    },
}


def gets(language: str, caught: frozenset[str], exception: str) -> bool:
    """Whether a handler of some types gets an exception; `exception` without its module."""
    wider = _WIDER.get(language)
    if wider is None or not caught:  # JavaScript, Go and Rust catch everything or nothing
        return True
    return exception in caught or any(name in wider and re.fullmatch(wider[name], exception) for name in caught)
