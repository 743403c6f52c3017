"""Read a tracked file as what the checks look at: identifiers, functions, docstrings, prose."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from tools.language.words import word_set

TEXT_SUFFIXES = word_set(
    ".py .md .yaml .yml .toml .sh .js .mjs .css .html .java .xml .properties .in"
)
EXTENSIONLESS = word_set("Makefile run newcomer up broker")
IDENTIFIER_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

Documented: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of prose and the line on which it begins."""

    line: int
    text: str


@dataclass(frozen=True)
class Source:
    """A tracked text file."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        """Return True for a module of Python."""
        return self.path.endswith(".py")

    @property
    def is_document(self) -> bool:
        """Return True for a Markdown document."""
        return self.path.endswith(".md")

    @cached_property
    def lines(self) -> list[str]:
        """Return the lines without their ends."""
        return self.text.split("\n")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Return every node of the module."""
        return list(ast.walk(ast.parse(self.text))) if self.is_python else []

    @cached_property
    def functions(self) -> list[Function]:
        """Return every function and method."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [node for node in self.nodes if isinstance(node, kinds)]

    @cached_property
    def docstrings(self) -> list[Text]:
        """Return the docstrings of the module, its classes and its functions."""
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        documented = [node for node in self.nodes if isinstance(node, kinds)]
        return [text for node in documented if (text := docstring(node)) is not None]

    @cached_property
    def identifiers(self) -> list[Text]:
        """Return the names that the module gives: functions, classes, arguments, variables."""
        return sorted({name for node in self.nodes for name in given_names(node)}, key=by_line)

    @cached_property
    def prose(self) -> list[Text]:
        """Return comments, docstrings and messages of code, or the lines of a document."""
        if self.is_python:
            return list(python_prose(self.text))
        if self.is_document:
            return list(document_prose(self.lines))
        return list(comment_prose(self.path, self.lines))


def by_line(text: Text) -> tuple[int, str]:
    """Return the key that sorts texts by their place."""
    return text.line, text.text


def docstring(node: Documented) -> Text | None:
    """Return the docstring of a node with the line on which it begins."""
    text = ast.get_docstring(node)
    return Text(node.body[0].lineno, text) if text else None


def given_names(node: ast.AST) -> Iterator[Text]:
    """Yield the names that a node introduces. A name that is only read belongs to its giver."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield Text(node.lineno, node.name)
        case ast.arg():
            yield Text(node.lineno, node.arg)
        case ast.Name(ctx=ast.Store()):
            yield Text(node.lineno, node.id)
        case ast.Attribute(ctx=ast.Store()):
            yield Text(node.lineno, node.attr)
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield Text(node.lineno, name)
        case _:
            return


def identifier_words(name: str) -> list[str]:
    """Return the words of `snake_case` or `CamelCase`, in lower case."""
    return [word.lower() for word in IDENTIFIER_TOKEN.findall(name)]


def python_prose(text: str) -> Iterator[Text]:
    """Yield comments and the strings that hold at least two words: docstrings and messages."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_message = token.type == tokenize.STRING and is_sentence(token.string)
        if is_message or token.type == tokenize.COMMENT:
            yield Text(token.start[0], token.string)


SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|WITH|FROM)\b")


def is_sentence(literal: str) -> bool:
    """Return True for a string of several words that is no SQL."""
    return len(re.findall(r"[A-Za-z]{2,} ", literal)) >= 2 and not SQL.search(literal)


def document_prose(lines: list[str]) -> Iterator[Text]:
    """Yield the lines of a document, without fenced blocks and code spans."""
    fenced = False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield Text(number, re.sub(r"`[^`]*`|\]\([^)]*\)", "`", line))


def comment_prose(path: str, lines: list[str]) -> Iterator[Text]:
    """Yield the comments of a file that is neither Python nor a document."""
    mark = r"//|/?\*" if path.endswith((".js", ".mjs", ".css", ".java")) else r"#"
    pattern = re.compile(rf"^\s*(?:{mark})\s(.*)|\s(?:{mark})\s(.*)")
    for number, line in enumerate(lines, 1):
        if comment := pattern.search(line):
            yield Text(number, comment.group(1) or comment.group(2) or "")


def tracked_sources(root: Path, below: list[str]) -> Iterator[Source]:
    """Yield the text files of a checkout that git tracks or would add, below the given paths."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run([*command, "--", *below], capture_output=True, text=True, check=True)
    for name in sorted(set(listed.stdout.splitlines())):
        path = root / name
        if is_text(path) and path.is_file():
            yield Source(name, path.read_text())


def is_text(path: Path) -> bool:
    """Return True for the kinds of files that people write."""
    return path.suffix in TEXT_SUFFIXES or path.name in EXTENSIONLESS
