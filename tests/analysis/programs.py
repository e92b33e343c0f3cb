"""Small programs of many languages that crash in a function called `total`, what they print then, and edits of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.runtimes import require

Edit = tuple[str, str]


class Program(NamedTuple):
    """One program and what is done to it. Every edit is (what stands there, what becomes of it)."""

    path: str
    code: str
    tools: tuple[str, ...]  # executables that it needs
    steps: tuple[tuple[str, ...], ...]  # what builds and runs it
    line: int  # on which it crashes
    advice: str  # how that would be prevented
    near: Edit  # changes the function at another line, and prevents nothing
    guards: tuple[Edit, ...]  # each prevents it
    silent: tuple[Edit, ...]  # each swallows it without a word
    loud: tuple[Edit, ...]  # each catches it and says so, or catches something else


_NODE = """class Cart {
  constructor(items) { this.items = items; }

  total() {
    const first = this.items[0];
    return first.offer.price;
  }
}

const run = async () => new Cart([{}]).total();
run();
"""
_RETURN = "    return first.offer.price;"
_SCRIPT = Program(
    "src/cart.js", _NODE, ("node",), (("node", "src/cart.js"),), 6, "check for undefined and null, or use ?.",
    ("    const first", "    console.log('total');\n    const first"),
    (
        (_RETURN, "    return first.offer?.price;"),
        (_RETURN, "    if (!first.offer) return 0;\n    return first.offer.price;"),
        (_RETURN, "    return first.offer && first.offer.price;"),
        (_RETURN, "    return first.offer ? first.offer.price : 0;"),
        (_RETURN, "    first.offer = first.offer || {};\n    return first.offer.price;"),
        (_RETURN, "    try {\n    return first.offer.price;\n    } catch (e) { console.error(e); }"),
    ),
    (
        (_RETURN, "    try {\n      return first.offer.price;\n    } catch (e) {\n      // never mind\n      return 0;\n    }"),
        (_RETURN, "    try {\n      return first.offer.price;\n    } catch {}"),
    ),
    (
        (_RETURN, "    try {\n      return first.offer.price;\n    } catch (e) {\n      console.error(e);\n    }"),
        (_RETURN, "    try {\n      return first.offer.price;\n    } catch (e) {\n      throw new Error('no offer', {cause: e});\n    }"),
        (_RETURN, "    try {\n      return first.offer.price;\n    } finally {\n      this.items = [];\n    }"),
    ),
)  # fmt: skip
_JAVA = """import java.util.List;

public class Cart {
    static int total(List<String> items) {
        String first = items.get(0);
        return first.length();
    }

    public static void main(String[] given) {
        java.util.ArrayList<String> items = new java.util.ArrayList<>();
        items.add(given.length > 5 ? "a" : null);
        System.out.println(total(items));
    }
}
"""
_LENGTH = "        return first.length();"
_GO = """package main

type Offer struct{ price int }

type Cart struct{ offers []*Offer }

func (c *Cart) total(at int) int {
	first := c.offers[at]
	return first.price
}

func main() {
	c := &Cart{offers: []*Offer{nil}}
	println(c.total(0))
}
"""
_PRICE = "\treturn first.price"
_RUBY = """class Cart
  def initialize(items)
    @items = items
  end

  def total
    first = @items.first
    first.price + 1
  end
end

puts Cart.new([]).total
"""
_RUST = """struct Cart {
    prices: Vec<u32>,
}

impl Cart {
    fn total(&self) -> u32 {
        let first = self.prices.first();
        *first.unwrap()
    }
}

fn main() {
    let cart = Cart { prices: vec![] };
    println!("{}", cart.total());
}
"""
_C = """#include <stdio.h>

struct offer { int price; };

static int total(struct offer *first) {
    int found = 1;
    return found + first->price;
}

int main(int count, char **given) {
    printf("%d\\n", total(count > 5 ? (struct offer *) given : NULL));
    return 0;
}
"""
_CPP = """#include <cstdio>
#include <vector>

class Cart {
public:
    std::vector<int> prices;
    int total(int at) {
        int found = 1;
        return found + prices.at(at);
    }
};

int main() {
    Cart cart;
    std::printf("%d\\n", cart.total(3));
}
"""
_GDB = ("gdb", "-batch", "-ex", "set debuginfod enabled off", "-ex", "run", "-ex", "bt", "./cart")
_UNWRAP = "        *first.unwrap()"
_DEREF = "    return found + first->price;"
_AT = "        return found + prices.at(at);"
PROGRAMS = {
    "javascript": _SCRIPT,
    # Node of Debian runs no TypeScript; this file is JavaScript too, so that the frames are real.
    "typescript": _SCRIPT._replace(
        path="src/cart.ts", steps=(("node", "-e", "require.extensions['.ts'] = require.extensions['.js']; require('./src/cart.ts')"),)
    ),
    "java": Program(
        "src/Cart.java", _JAVA, ("javac", "java"), (("java", "src/Cart.java"),), 6, "check for null",
        ("        String first", '        System.out.println("total");\n        String first'),
        (
            (_LENGTH, "        return first == null ? 0 : first.length();"),
            (_LENGTH, "        if (first == null) {\n            return 0;\n        }\n        return first.length();"),
            (_LENGTH, "        java.util.Objects.requireNonNull(first);\n        return first.length();"),
            (_LENGTH, "        try {\n        return first.length();\n        } catch (RuntimeException e) { throw e; }"),
        ),
        (
            (_LENGTH, "        try {\n            return first.length();\n        } catch (Exception e) {\n            return 0;\n        }"),
            (_LENGTH, "        try {\n            return first.length();\n        } catch (IllegalStateException | NullPointerException e) {\n        }\n        return -1;"),
        ),
        (
            (_LENGTH, "        try {\n            return first.length();\n        } catch (Exception e) {\n            e.printStackTrace();\n            return 0;\n        }"),
            (_LENGTH, "        try {\n            return first.length();\n        } catch (ArithmeticException e) {\n            return 0;\n        }"),
        ),
    ),
    "go": Program(
        "main.go", _GO, ("go",), (("go", "run", "main.go"),), 9, "check for nil",
        ("\tfirst :=", '\tprintln("total")\n\tfirst :='),
        (
            (_PRICE, "\tif first == nil {\n\t\treturn 0\n\t}\n\treturn first.price"),
            (_PRICE, "\tif first != nil {\n\treturn first.price\n\t}\n\treturn 0"),
            ("\tfirst :=", "\tdefer recoverFromPanic()\n\tfirst :="),
        ),
        (
            ("\tfirst :=", "\tdefer func() { recover() }()\n\tfirst :="),
            ("\tfirst :=", "\tdefer func() {\n\t\tif r := recover(); r != nil {\n\t\t}\n\t}()\n\tfirst :="),
            ("\tfirst :=", "\tdefer func() {\n\t\t_ = recover()\n\t}()\n\tfirst :="),
        ),
        (
            ("\tfirst :=", "\tdefer func() {\n\t\tif r := recover(); r != nil {\n\t\t\tprintln(r)\n\t\t}\n\t}()\n\tfirst :="),
            ("\tfirst :=", "\tdefer func() { println(1) }()\n\tfirst :="),
        ),
    ),
    "ruby": Program(
        "lib/cart.rb", _RUBY, ("ruby",), (("ruby", "lib/cart.rb"),), 8, "check for nil, or use &.",
        ("    first =", "    puts 'total'\n    first ="),
        (
            ("    first.price + 1", "    first&.price.to_i + 1"),
            ("    first.price + 1", "    return 0 unless first\n    first.price + 1"),
            ("    first.price + 1", "    first.price + 1 if first"),
            ("    first.price + 1", "    first.price + 1\n  rescue NoMethodError => e\n    warn e\n    0"),
        ),
        (
            ("    first.price + 1", "    begin\n      first.price + 1\n    rescue\n      nil\n    end"),
            ("    first.price + 1", "    first.price + 1\n  rescue NameError, KeyError\n    0"),
            ("    first.price + 1", "    (first.price + 1) rescue 0"),
        ),
        (
            ("    first.price + 1", "    first.price + 1\n  rescue ZeroDivisionError\n    0"),
            ("    first.price + 1", "    first.price + 1\n  rescue => e\n    warn e\n    raise"),
        ),
    ),
    "rust": Program(
        "cart.rs", _RUST, ("rustc",), (("rustc", "-g", "-o", "cart", "cart.rs"), ("./cart",)), 8, "match it, use ? or unwrap_or",
        ("        let first", '        println!("total");\n        let first'),
        (
            (_UNWRAP, "        *first.unwrap_or(&0)"),
            (_UNWRAP, "        if first.is_none() {\n            return 0;\n        }\n        *first.unwrap()"),
            (_UNWRAP, "        assert!(first.is_some());\n        *first.unwrap()"),
        ),
        ((_UNWRAP, "        let _ = std::panic::catch_unwind(|| {\n            *first.unwrap()\n        });\n        0"),),
        ((_UNWRAP, "        std::panic::catch_unwind(|| {\n            *first.unwrap()\n        }).unwrap()"),),
    ),
    "c": Program(
        "cart.c", _C, ("gcc",), (("gcc", "-g", "-fsanitize=address", "-o", "cart", "cart.c"), ("./cart",)), 7, "check the pointer",
        ("    int found = 1;", "    int found = 2;"),
        (
            (_DEREF, "    if (!first)\n        return 0;\n    return found + first->price;"),
            (_DEREF, "    return first ? found + first->price : 0;"),
            (_DEREF, "    assert(first);\n    return found + first->price;"),
        ),
        (),
        (),
    ),
    "c++": Program(
        "cart.cpp", _CPP, ("g++", "gdb"), (("g++", "-g", "-o", "cart", "cart.cpp"), _GDB), 9, "check the length",
        ("        int found = 1;", "        int found = 2;"),
        (
            (_AT, "        if (at >= prices.size()) return 0;\n        return found + prices.at(at);"),
            (_AT, "        try {\n        return found + prices.at(at);\n        } catch (const std::exception &e) { throw; }"),
        ),
        (
            (_AT, "        try {\n            return found + prices.at(at);\n        } catch (...) {\n        }\n        return 0;"),
            (_AT, "        try {\n            return found + prices.at(at);\n        } catch (const std::logic_error &) {\n            return 0;\n        }"),
        ),
        (
            (_AT, "        try {\n            return found + prices.at(at);\n        } catch (const std::exception &e) {\n            puts(e.what());\n        }\n        return 0;"),
            (_AT, "        try {\n            return found + prices.at(at);\n        } catch (const std::bad_alloc &) {\n            return 0;\n        }"),
        ),
    ),
}  # fmt: skip


def crash(program: Program, root: Path) -> str:
    """What the program in a repository prints when it is run, which must fail. Skips without its tools."""
    require(*program.tools)
    return run(program.steps, root)


def run(steps: tuple[tuple[str, ...], ...], root: Path) -> str:
    """What the last of some commands prints, which must fail or be a debugger's; those before must not."""
    cache = root.parent / "go-cache"
    environment = {**os.environ, "RUST_BACKTRACE": "1", "GOCACHE": str(cache), "GOTELEMETRY": "off", "GOFLAGS": "-mod=mod",
                   "ASAN_OPTIONS": "detect_leaks=0", "NO_COLOR": "1"}  # fmt: skip
    for number, step in enumerate(steps, 1):
        done = subprocess.run(
            step, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        last = number == len(steps)
        assert (done.returncode != 0) == last or (last and step[0] == "gdb"), (step, done.stdout)
    return done.stdout
