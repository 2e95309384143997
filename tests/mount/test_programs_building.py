"""Compilers and installers inside a mount, and whether what they made runs from there."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

from tests.mount.mounting import Mount, run
from tests.mount.test_programs import again, begin, end_sound, listing, needs

PARTS = 12

MAKEFILE = f"""\
objects = $(patsubst %,part%.o,$(shell seq {PARTS}))
program: main.o libparts.so libstatic.a
\t$(CC) -o $@ main.o -L. -lparts -lstatic -Wl,-rpath,'$$ORIGIN'
libparts.so: $(objects)
\t$(CC) -shared -o $@ $^
libstatic.a: static.o
\t$(AR) rcs $@ $^
%.o: $(source)/%.c $(source)/parts.h
\t$(CC) -g -fPIC -c -o $@ $<
vpath %.c $(source)
"""


def _write_project(source: Path) -> None:
    source.mkdir()
    numbers = range(1, PARTS + 1)
    declared = "".join(f"int part{number}(void);\n" for number in numbers)
    (source / "parts.h").write_text(f"{declared}int of_static(int);\n")
    for number in numbers:
        text = f'#include "parts.h"\nint part{number}(void) {{ return {number}; }}\n'
        (source / f"part{number}.c").write_text(text)
    (source / "static.c").write_text('#include "parts.h"\nint of_static(int n) { return -n; }\n')
    total = " + ".join(f"part{number}()" for number in numbers)
    (source / "main.c").write_text(
        '#include <stdio.h>\n#include "parts.h"\n'
        f'int main(void) {{ printf("%d\\n", of_static({total})); return 0; }}\n'
    )


@needs("make", "cc")
def test_make_and_cc(mount: Mount) -> None:
    begin(mount)
    source, build = mount / "source", mount / "build"
    _write_project(source)
    build.mkdir()
    (build / "Makefile").write_text(MAKEFILE)

    def make() -> list[str]:
        return run("make", "-j2", "-C", build, f"source={source}").stdout.splitlines()

    expected = f"-{sum(range(PARTS + 1))}\n"
    make()
    assert run(build / "program").stdout == expected
    again(mount)
    assert not [line for line in make() if line.startswith("cc")]
    assert run(build / "program").stdout == expected
    (source / "part3.c").write_text('#include "parts.h"\nint part3(void) { return 103; }\n')
    assert len([line for line in make() if line.startswith("cc")]) == 3
    assert run(build / "program").stdout == f"-{sum(range(PARTS + 1)) + 100}\n"
    run("strip", build / "program")
    run("install", "-D", "-m", "755", build / "program", mount / "usr/bin/program")
    (build / "libparts.so").rename(mount / "usr/bin/libparts.so")
    assert run(mount / "usr/bin/program").stdout == f"-{sum(range(PARTS + 1)) + 100}\n"
    end_sound(mount)


def test_venv_and_pip(mount: Mount, tmp_path: Path) -> None:
    begin(mount)
    wheel = tmp_path / "greeting-1.0-py3-none-any.whl"
    _write_wheel(wheel)
    environment = mount / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    quiet = ("--disable-pip-version-check", "--isolated")
    pip = (sys.executable, "-m", "pip", *quiet, "--python", environment)
    run(*pip, "install", "--no-index", "--cache-dir", mount / "cache", wheel)
    again(mount)
    assert run(environment / "bin/greet").stdout == "hello from the mount\n"
    run(*pip, "uninstall", "--yes", "greeting")
    assert not (environment / "bin/greet").exists()
    end_sound(mount)


def _write_wheel(path: Path) -> None:
    about = "greeting-1.0.dist-info"
    files = {
        "greeting/__init__.py": "def greet():\n    print('hello from the mount')\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": "[console_scripts]\ngreet = greeting:greet\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


@needs("npm", "node")
def test_npm(mount: Mount) -> None:
    begin(mount)

    def npm(folder: str, *arguments: str | Path) -> str:
        offline = ("--offline", "--no-audit", "--no-fund", "--cache", mount / "cache")
        environment = {**os.environ, "HOME": str(mount.directory)}
        return run("npm", *arguments, *offline, cwd=mount / folder, env=environment).stdout.strip()

    _write_package(mount / "word", '"main": "index.js"')
    (mount / "word/index.js").write_text("module.exports = 'hello';\n")
    _write_package(mount / "tool", '"bin": "tool.js", "dependencies": {"word": "1.0.0"}')
    (mount / "tool/tool.js").write_text("#!/usr/bin/env node\nconsole.log(require('word'));\n")
    _write_package(mount / "app", '"private": true')
    packed = [mount / folder / npm(folder, "pack", "--silent") for folder in ("word", "tool")]
    npm("app", "install", *packed)
    again(mount)
    assert run(mount / "app/node_modules/.bin/tool").stdout == "hello\n"
    npm("app", "ci")
    assert run(mount / "app/node_modules/.bin/tool").stdout == "hello\n"
    assert "tool@1.0.0" in npm("app", "ls")
    end_sound(mount)


def _write_package(directory: Path, settings: str) -> None:
    directory.mkdir()
    text = f'{{"name": "{directory.name}", "version": "1.0.0", {settings}}}'
    (directory / "package.json").write_text(text)


@needs("dpkg-deb")
def test_dpkg_deb(mount: Mount) -> None:
    begin(mount)
    content = mount / "content"
    (content / "DEBIAN").mkdir(parents=True)
    (content / "DEBIAN/control").write_text(
        "Package: content\nVersion: 1\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@localhost>\nDescription: A test\n"
    )
    run("cp", "-aL", Path(os.__file__).parent / "json", content / "usr")
    (content / "usr/link").symlink_to("decoder.py")
    (content / "usr/decoder.py").chmod(0o4755)
    # The archive keeps whole seconds.
    for path in [*content.rglob("*"), content]:
        os.utime(path, (1_234_567_890, 1_234_567_890), follow_symlinks=False)
    package, unpacked = mount / "content.deb", mount / "unpacked"
    run("dpkg-deb", "--root-owner-group", "--build", content, package)
    run("dpkg-deb", "--extract", package, unpacked)
    again(mount)
    assert listing(unpacked / "usr") == listing(content / "usr")
    assert "./usr/link -> decoder.py" in run("dpkg-deb", "--contents", package).stdout
    end_sound(mount)
