"""Makes the data sets anew: `python -m benchmarks.similarity.collect python FOLDER`, or `java FOLDER`.

Python: source distributions of the projects below are fetched by pip, and each is taken through
`collect_python.py` in an environment of its own in FOLDER. Java: FOLDER holds the unpacked source packages, as
`apt-get source` gives them, and JUNIT the jars of JUnit 4 and 5 with what they need. Both take about ten minutes
of one processor. Seeds are fixed; what a test does by chance is not, so that figures differ a little.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import subprocess
import sys
import venv
from typing import Any, NamedTuple

from benchmarks.similarity.crashes import pack

HERE = os.path.dirname(os.path.abspath(__file__))


class Source(NamedTuple):
    """A project: where its code and its tests lie in its source package, and what it is used for."""

    name: str
    package: str
    tests: str  # behind commas more that is no code of the package
    split: str


def _sources(text: str) -> list[Source]:
    return [Source(*line.split()) for line in text.strip().splitlines()]


# name==version, package, tests, split. The split is by project and was made before anything was fitted.
PYTHON = _sources(
    """
    boltons==26.2.0          boltons          tests                     train
    toolz==1.0.0             toolz            toolz/tests               train
    sqlparse==0.6.1          sqlparse         tests                     train
    tomlkit==0.15.2          tomlkit          tests                     train
    marshmallow==4.4.0       src/marshmallow  tests                     train
    jinja2==3.1.6            src/jinja2       tests                     train
    parso==0.8.7             parso            test                      train
    voluptuous==0.16.0       voluptuous       voluptuous/tests          train
    h2==4.4.1                src/h2           tests                     train
    lark==1.3.1              lark             tests                     validation
    mako==1.4.3              mako             test,mako/testing         validation
    click==8.5.1             src/click        tests                     validation
    h11==0.16.0              h11              h11/tests                 validation
    mistune==3.4.0           src/mistune      tests                     validation
    """
)
NEEDED = """pytest hypothesis attrs markupsafe itsdangerous blinker trio pytz tzdata simplejson pytest-mock hpack hyperframe
    six dill webencodings python-dateutil pyyaml regex setuptools wheel hatchling flit_core poetry-core setuptools_scm
    hatch-vcs pdm-backend hatch-fancy-pypi-readme""".split()
PYTHON_MUTANTS = 45

# Folder (a glob) of the source package, then as above.
JAVA = _sources(
    """
    commons-collections*     src/main/java    src/test/java             train
    commons-lang*            src/main/java    src/test/java             train
    commons-io*              src/main/java    src/test/java             train
    commons-codec*           src/main/java    src/test/java             validation
    commons-csv*             src/main/java    src/test/java             validation
    jsoup*                   src/main/java    src/test/java             validation
    joda-time*               src/main/java    src/test/java             validation
    """
)
JAVA_MUTANTS = 90
_ROUNDS = 8  # of leaving out tests that need what is not there


def collect_python(folder: str) -> dict[str, tuple[str, dict[str, Any]]]:
    python = _environment(folder)
    found = {}
    for source in PYTHON:
        name = source.name.partition("==")[0]
        root = _unpacked(folder, python, source.name)
        output = os.path.join(folder, f"{name}.json")
        command = [python, os.path.join(HERE, "collect_python.py"), root, source.package, source.tests, output]
        subprocess.run(
            [*command, "--mutants", str(PYTHON_MUTANTS)], check=False, stdout=subprocess.DEVNULL, timeout=900
        )
        if os.path.exists(output):
            found[name] = (source.split, _read(output))
            print(f"{name}: {len(found[name][1]['bugs'])} bugs, {len(found[name][1]['crashes'])} crashes", flush=True)
    return found


def _environment(folder: str) -> str:
    python = os.path.join(folder, "environment", "bin", "python")
    if not os.path.exists(python):
        venv.create(os.path.join(folder, "environment"), with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *NEEDED], check=True)
    return python


def _unpacked(folder: str, python: str, requirement: str) -> str:
    """The folder of a source distribution; fetched and unpacked where it is not there yet."""
    target = os.path.join(folder, requirement.replace("==", "-"))
    if not os.path.isdir(target):
        os.makedirs(target)
        pip = [python, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"]
        subprocess.run([*pip, "-d", target, requirement], check=True)
        (archive,) = glob.glob(os.path.join(target, "*.tar.gz"))
        subprocess.run(["tar", "xzf", archive, "--strip-components=1", "-C", target], check=True)
        os.remove(archive)
    return target


def collect_java(folder: str, junit: str) -> dict[str, tuple[str, dict[str, Any]]]:
    found = {}
    for source in JAVA:
        for root in sorted(path for path in glob.glob(os.path.join(folder, source.name)) if os.path.isdir(path)):
            name = source.name.rstrip("*")
            output = os.path.join(folder, f"{name}.json")
            main, tests = _compiled(root, source, junit)
            command = ["java", "-Xmx700m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", junit]
            arguments = [os.path.join(root, source.package), main, tests, output, str(JAVA_MUTANTS), "1"]
            subprocess.run([*command, os.path.join(HERE, "CollectJava.java"), *arguments], check=False, timeout=1200)
            found[name] = (source.split, _read(output))
    return found


def _compiled(root: str, source: Source, junit: str) -> tuple[str, str]:
    """Folders of the compiled code and tests; tests that need what is not there are left out."""
    main, tests = os.path.join(root, "out", "main"), os.path.join(root, "out", "test")
    files = glob.glob(os.path.join(root, source.package, "**", "*.java"), recursive=True)
    _javac(main, junit, files)
    files = glob.glob(os.path.join(root, source.tests, "**", "*.java"), recursive=True)
    for _ in range(_ROUNDS):
        wrong = _javac(tests, f"{main}{os.pathsep}{junit}", files)
        if not wrong:
            break
        files = [file for file in files if file not in wrong]
    return main, tests


def _javac(into: str, path: str, files: list[str]) -> set[str]:
    """The files that could not be compiled."""
    files = [file for file in files if os.path.basename(file) not in ("module-info.java", "package-info.java")]
    os.makedirs(into, exist_ok=True)
    options = ["-nowarn", "-g", "-proc:none", "-encoding", "UTF-8", "-Xmaxerrs", "5000", "-d", into, "-cp", path]
    done = subprocess.run(["javac", *options, *files], check=False, capture_output=True, text=True)
    return {line.partition(":")[0] for line in done.stderr.splitlines() if ".java:" in line and " error: " in line}


def _read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        data: dict[str, Any] = json.load(file)
    return data


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", choices=("python", "java"))
    parser.add_argument("folder")
    parser.add_argument("--junit", default="", help="class path of JUnit, for Java")
    options = parser.parse_args(argv)
    folder = os.path.abspath(options.folder)
    found = collect_python(folder) if options.language == "python" else collect_java(folder, options.junit)
    pack(options.language, found)
    print(f"{len(found)} projects, {sum(len(data['crashes']) for _, data in found.values())} crashes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
