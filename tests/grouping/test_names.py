"""Function, file, module and type names without what tools add to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.grouping import names

FUNCTIONS = [
    ("python", "Cart.save", "Cart.save"),
    ("python", "retry.<locals>.wrapper", "wrapper"),
    ("python", "Cart.save.<locals>.<lambda>", ""),
    ("python", "<module>", "<module>"),
    ("java", "lambda$order$0", "order"),
    ("java", "lambda$null$3", ""),
    ("java", "copy$default", "copy"),
    ("java", "$anonfun$load$1", "load"),
    ("java", "<init>", "<init>"),
    ("javascript", "Object.<anonymous>", ""),
    ("javascript", "new Cart", "Cart"),
    ("javascript", "async load", "load"),
    ("javascript", "async Promise.all (index 0)", "all"),
    ("javascript", "Cart.total [as sum]", "sum"),
    ("javascript", "Basket.total", "total"),
    ("javascript", "load/<", "load"),
    ("go", "main.(*Server).handle.func1", "main.Server.handle"),
    ("go", "github.com/ann/shop/cart.(*Cart).Add", "cart.Cart.Add"),
    ("go", "main.main.func1.2", "main.main"),
    ("go", "main.glob..func1", "main.glob"),
    ("go", "main.Map[...]", "main.Map"),
    ("go", "main.run(0xc000012345, 0x5)", "main.run"),
    ("rust", "shop::cart::add::h1234567890abcdef", "shop::cart::add"),
    ("rust", "shop::cart::add::{{closure}}::h1234567890abcdef", "shop::cart::add"),
    ("rust", "shop::cart::add::{closure#0}", "shop::cart::add"),
    ("rust", "<shop::Cart as shop::Store>::load", "shop::Cart::load"),
    ("rust", "shop[1a2b3c4d5e6f7a8b]::run::<i32>", "shop::run"),
    ("native", "shop::Shelf<int, std::vector<int> >::at(unsigned long) const", "shop::Shelf::at"),
    ("native", "void shop::sort<int>(int*, int*)", "shop::sort"),
    ("native", "shop::(anonymous namespace)::peek(int*)", "shop::peek"),
    ("native", "peek.isra.0", "peek"),
    ("native", "peek.part.1.constprop.2", "peek"),
    ("native", "peek [clone .cold]", "peek"),
    ("native", "std::string::at[abi:cxx11](unsigned long)", "std::string::at"),
    ("native", "Foo::operator()(int) const", "Foo::operator()"),
    ("native", "bool operator==<int>(A<int> const&, int)", "operator=="),
    ("native", "std::ostream& operator<<(std::ostream&, Foo const&)", "operator<<"),
    ("native", "cooperator(int)", "cooperator"),
    ("native", "memcpy@@GLIBC_2.14", "memcpy"),
    ("native", "peek+0x1f", "peek"),
    ("native", "-[Cart add:to:]", "-[Cart add:to:]"),
    ("csharp", "<Load>b__0_1", "Load"),
    ("csharp", "Shop.Cart.<LoadAsync>d__5.MoveNext()", "LoadAsync"),
    ("csharp", "<Main>g__Local|0_0", "Main"),
    ("csharp", "Add(Int32 count)", "Add"),
    ("php", "{closure}", ""),
    ("php", "{closure:App\\Cart::add():12}", "App\\Cart::add"),
    ("php", "App\\Cart->add", "App\\Cart::add"),
    ("ruby", "block (2 levels) in add", "add"),
    ("ruby", "rescue in add", "add"),
    ("ruby", "block in Cart#add", "add"),
    ("elixir", "anonymous fn/1 in Shop.Cart.add/2", "Shop.Cart.add"),
    ("elixir", "-add/2-fun-0-", "add"),
    ("other", "add(int)", "add"),
    ("unheard-of", "add", "add"),
]


@pytest.mark.parametrize(("platform", "written", "name"), FUNCTIONS)
def test_functions(platform: str, written: str, name: str) -> None:
    assert names.function_name(written, platform) == name


@pytest.mark.parametrize("written", ["<listcomp>", "Cart.total.<locals>.<genexpr>"])
def test_a_comprehension_belongs_to_its_function(written: str) -> None:
    assert names.is_transparent(written, "python")


def test_a_minified_name_is_no_name() -> None:
    assert names.function_name("t", "javascript", minified=True) == ""
    assert names.function_name("t", "javascript") == "t"
    assert names.is_minified("https://x.example/js/main.3f2a1b9c.js") and not names.is_minified("src/main.js")


SAME_FILES = [
    ("orders/api.py", "/home/ann/shop/orders/api.py"),
    ("orders/api.py", "C:\\Users\\ann\\shop\\orders\\api.py"),
    ("orders/api.py", "/app/orders/api.py"),
    ("app/models.py", "/srv/releases/20240101120000/app/models.py"),
    ("requests/api.py", "/home/ann/.venv/lib/python3.11/site-packages/requests/api.py"),
    ("/usr/lib/python3/dist-packages/yaml/loader.py", "/x/lib/python3.12/site-packages/yaml/loader.py"),
    ("src/cart/index.ts", "webpack:///./src/cart/index.ts?abcd"),
    ("/srv/app/node_modules/express/lib/router.js", "/home/ann/x/node_modules/express/lib/router.js"),
    (
        "https://cdn.example.com/js/main.3f2a1b9c.chunk.js?v=3",
        "https://other.example.com/js/main.77aa01bc.chunk.js",
    ),
    (
        "/usr/local/bundle/gems/rack-2.2.3/lib/rack/head.rb",
        "/opt/vendor/bundle/ruby/3.2/gems/rack-3.0/lib/rack/head.rb",
    ),
    ("/go/pkg/mod/github.com/x/gin@v1.7.0/context.go", "/root/go/pkg/mod/github.com/x/gin@v1.9.1/context.go"),
]


@pytest.mark.parametrize(("one", "other"), SAME_FILES)
def test_one_file_in_two_places(one: str, other: str) -> None:
    assert names.file_name(one) == names.file_name(other)


@pytest.mark.parametrize(("one", "other"), [("orders/api.py", "carts/api.py"), ("/app/a.py", "/app/b.py")])
def test_two_files(one: str, other: str) -> None:
    assert names.file_name(one) != names.file_name(other)


@pytest.mark.parametrize(
    "module",
    [
        "shop.Cart$$EnhancerBySpringCGLIB$$1a2b",
        "shop.Cart$$SpringCGLIB$$0",
        "shop.Cart$$Lambda$14/0x0000000800066840",
        "shop.Cart_$$_javassist_12",
        "shop.Cart$ByteBuddy$abc",
        "shop.Cart$1",
        "app//shop.Cart",
    ],
)
def test_generated_java_classes(module: str) -> None:
    assert names.module_name(module, "java") == "shop.Cart"


def test_an_inner_class_is_not_its_outer_class() -> None:
    assert names.module_name("shop.Cart$Item", "java") == "shop.Cart$Item"
    assert names.module_name("Shop.Cart+<AddAsync>d__5", "csharp") == "Shop.Cart"


def test_a_python_module_and_its_file_are_one_place() -> None:
    assert names.place("orders.api", "x.py", "python") == names.place(None, "/srv/shop/orders/api.py", "python")
    assert names.place("__main__", "/home/ann/main.py", "python") == "main"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("java.io.IOException", "IOException"),
        ("psycopg2.errors.UniqueViolation", "UniqueViolation"),
        ("*errors.errorString", "errorString"),
        ("Outer$Failure", "Failure"),
        ("Shop::Failure", "Failure"),
        ("App\\Errors\\Failure", "Failure"),
        ("Failure`1[[T]]", "Failure"),
        ("heap-use-after-free", "heap-use-after-free"),
        (None, ""),
    ],
)
def test_types(written: str | None, name: str) -> None:
    assert names.type_name(written) == name


@given(st.one_of(st.none(), st.text(max_size=300)), st.sampled_from([*names.LANGUAGES, "nonsense", None]))
def test_nothing_raises(text: str | None, platform: str | None) -> None:
    names.function_name(text, platform)
    names.place(text, text, platform)
    names.place(None, text, platform)
    names.type_name(text)
    names.is_transparent(text, platform)


@pytest.mark.parametrize(
    "piece", ["(", "<", "$", "a.", "<a", "/", "::", "block in ", "[", "{closure:", ".func1", "x$1", "-"]
)
@pytest.mark.parametrize("platform", [*names.LANGUAGES])
def test_long_names_end(piece: str, platform: str) -> None:
    """Names are cut before they meet a pattern, so that not even a quadratic one could take long."""
    assert len(names.function_name(piece * 50_000, platform)) <= 1000
    assert len(names.file_name(piece * 50_000)) <= 1001
