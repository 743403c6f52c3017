"""A wheel has all that runs: installed in an empty environment, it tells the whole story."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import pytest

from gridcall.release import read_commit
from tests.harness.paths import ROOT
from tests.harness.requirements import require

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = PROJECT["project"]["version"]
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
WHEEL, SOURCE = f"gridcall-{VERSION}-py3-none-any.whl", f"gridcall-{VERSION}.tar.gz"
LOCK = ROOT / "deploy" / "image" / "requirements.lock"
HATCHLING = (sys.executable, "-m", "hatchling", "build")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
DEMO_SECONDS_MAX = 180  # About thirty on an idle machine.


class Installation(NamedTuple):
    """An environment with the wheel, and an empty folder with the variables of its commands."""

    environment: Path
    folder: Path
    variables: Mapping[str, str]

    def run(self, program: str, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment. Nothing of this repository is on a path."""
        return finish(
            self.environment / "bin" / program, *words, cwd=self.folder, env=self.variables
        )


def finish(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [*map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEMO_SECONDS_MAX,
        **options,
    )
    require("NewConnectionError" not in done.stderr, "no network from which pip could install")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def repository_files(*folders: str) -> set[str]:
    """Return the files below folders of the repository, without those that git ignores."""
    words = ("ls-files", "--cached", "--others", "--exclude-standard", *folders)
    return set(finish("git", *words, cwd=ROOT).stdout.splitlines())


def contents_of(wheel: Path) -> dict[str, list[bytes]]:
    """Return the lines of each file of a wheel. Its record lists the files in any order."""
    with ZipFile(wheel) as archive:
        lines = {name: archive.read(name).splitlines() for name in archive.namelist()}
    return {
        name: sorted(each) if name.endswith("/RECORD") else each for name, each in lines.items()
    }


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the source archive of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    finish(*HATCHLING, "-d", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def installation(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Return an environment that has the wheel, the packages of production, and nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    finish(sys.executable, "-m", "venv", "--without-pip", environment)
    install = (*PIP, "--python", environment / "bin" / "python", "install", "--no-compile")
    finish(*install, "--require-hashes", "--only-binary=:all:", "-r", LOCK)
    finish(*install, "--no-index", "--no-deps", dist / WHEEL)
    folder = tmp_path_factory.mktemp("empty")
    variables = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LC_ALL": "C.UTF-8",
    }
    return Installation(environment, folder, variables)


def test_a_wheel_has_every_file_of_the_packages_and_the_commit(dist: Path) -> None:
    expected = {name.removeprefix("libs/").removeprefix("services/") for name in
                repository_files(*PACKAGES)}  # fmt: skip
    with ZipFile(dist / WHEEL) as wheel:
        inside = set(wheel.namelist())
        commit = wheel.read("gridcall/commit.txt").decode().strip()
    data = f"gridcall-{VERSION}.data/data/share/gridcall/"
    profiles = {name.removeprefix(data) for name in inside if name.startswith(data)}
    code = {name for name in inside if not name.startswith(f"gridcall-{VERSION}.")}
    assert code - {"gridcall/commit.txt"} == expected
    assert profiles == repository_files("profiles")
    assert commit == read_commit()


def test_a_wheel_from_the_source_archive_has_the_same_files(dist: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(dist / SOURCE, tmp_path)
    finish(*HATCHLING, "-t", "wheel", "-d", tmp_path, cwd=tmp_path / f"gridcall-{VERSION}")
    assert contents_of(tmp_path / WHEEL) == contents_of(dist / WHEEL)


def test_the_lock_of_production_has_all_that_the_wheel_needs(installation: Installation) -> None:
    python = installation.environment / "bin" / "python"
    assert "No broken requirements" in finish(*PIP[:-1], "--python", python, "check").stdout


def test_an_installed_wheel_names_its_version_and_commit(installation: Installation) -> None:
    shown = installation.run("gridcall", "--version").stdout
    assert shown == f"gridcall {VERSION}, commit {read_commit()}\n"


def test_an_installed_wheel_tells_the_whole_story_from_an_empty_folder(
    installation: Installation,
) -> None:
    shown = installation.run("gridcall", "demo", "--fast").stdout
    for sign in ("deadline-missed", "call-answered", "case-closed", "rows are equal"):
        assert sign in shown, sign
    assert not list(installation.folder.glob("gridcall-demo-*"))


def test_an_installed_wheel_has_a_city_to_try(installation: Installation) -> None:
    profiles = installation.environment / "share" / "gridcall" / "profiles"
    words = ("check", profiles / "exampleville", "--profile", profiles / "exampleville.yaml")
    assert "exampleville: 6 grids" in installation.run("gridcall", "map", *words).stderr
