"""Which frames are the application's own."""

from __future__ import annotations

import pytest

from crashvault.ingest.in_app import is_in_app

OWN = [
    ("python", "/app/shop/cart.py", None, "price"),
    ("python", "cart.py", "shop.cart", "price"),
    ("python", "<string>", None, "<module>"),
    ("javascript", "/app/src/cart.js", None, None),
    ("javascript", "webpack-internal:///./src/cart.ts", None, "total"),
    ("java", "Cart.java", "shop.Cart", "price"),
    ("java", None, "com.acme.Cart$$Lambda$14", "run"),
    ("go", "/app/main.go", "main", "main"),
    ("go", "/home/user/src/shop/cart.go", "github.com/acme/shop", "(*Cart).Price"),
    ("rust", "src/main.rs", "shop", "main"),
    ("rust", "src/check.rs", "alloc::string::String", "check"),
    ("ruby", "app/models/cart.rb", None, "total"),
    ("php", "/var/www/app/Cart.php", "App\\Cart", "price"),
    ("csharp", "/app/Cart.cs", "Shop.Cart", "Price"),
    ("native", "cart.c", None, "price"),
    ("native", None, "/app/shop", "main"),
    ("elixir", "lib/shop/cart.ex", "Shop.Cart", "price/1"),
    ("other", "shop.lua", None, "price"),
]
FOREIGN = [
    ("python", "/usr/lib/python3.11/json/decoder.py", "json.decoder", "decode"),
    ("python", "/app/.venv/lib/python3.12/site-packages/django/core/handlers/base.py", None, "f"),
    ("python", "/usr/lib/python3/dist-packages/yaml/loader.py", None, "f"),
    ("python", "C:\\Python312\\Lib\\json\\decoder.py", None, "f"),
    ("python", "<frozen importlib._bootstrap>", None, "_find_and_load"),
    ("python", None, None, "f"),
    ("javascript", "node:internal/modules/cjs/loader", None, "Module._load"),
    ("javascript", "/app/node_modules/express/lib/router/index.js", None, "next"),
    ("javascript", "<anonymous>", None, "Array.map"),
    ("javascript", None, None, "f"),
    ("java", "Thread.java", "java.lang.Thread", "run"),
    ("java", "Maps.kt", "kotlin.collections.MapsKt", "getValue"),
    ("java", "FrameworkServlet.java", "org.springframework.web.servlet.FrameworkServlet", "service"),
    ("go", "/usr/local/go/src/net/http/server.go", "net/http", "(*conn).serve"),
    ("go", "/home/user/go/pkg/mod/github.com/x/y@v1.0.0/y.go", "github.com/x/y", "F"),
    ("go", None, "runtime", "gopanic"),
    ("rust", "/rustc/59807616e1fa/library/core/src/panicking.rs", "core::panicking", "panic_fmt"),
    ("rust", "/home/user/.cargo/registry/src/index/tokio-1.28.0/src/lib.rs", "tokio", "f"),
    ("rust", None, "std::rt", "lang_start"),
    ("rust", None, None, "main"),
    ("ruby", "/usr/local/bundle/gems/actionpack-7.0.4/lib/x.rb", None, "send_action"),
    ("ruby", "/usr/lib/ruby/3.1.0/net/http.rb", None, "connect"),
    ("php", "/var/www/vendor/laravel/framework/src/Controller.php", "Illuminate\\Routing", "f"),
    ("php", None, None, "array_map"),
    ("csharp", None, "System.Linq.Enumerable", "Sum"),
    ("csharp", None, "Microsoft.AspNetCore.Mvc.ControllerBase", "f"),
    ("native", "../sysdeps/nptl/libc_start_call_main.h", None, "__libc_start_call_main"),
    ("native", None, "/lib/x86_64-linux-gnu/libc.so.6", None),
    ("native", None, "/app/shop", "__interceptor_free"),
    ("native", "/usr/include/c++/12/bits/stl_vector.h", None, "std::vector<int>::at"),
    ("native", None, None, None),
    ("elixir", "lib/enum.ex", "Enum", "map/2"),
    ("elixir", "gen_server.erl", "gen_server", "handle_msg/6"),
    ("elixir", None, "erlang", "div/2"),
    ("other", "[C]", None, "error"),
    ("klingon", None, "a", "b"),
]


@pytest.mark.parametrize("frame", OWN, ids=str)
def test_frames_of_the_application(frame: tuple[str, str | None, str | None, str | None]) -> None:
    assert is_in_app(*frame) is True


@pytest.mark.parametrize("frame", FOREIGN, ids=str)
def test_frames_of_runtimes_and_dependencies(frame: tuple[str, str | None, str | None, str | None]) -> None:
    assert is_in_app(*frame) is False


def test_an_unknown_platform_goes_by_the_file() -> None:
    assert is_in_app("klingon", "/app/x.kl", None, None) is True
