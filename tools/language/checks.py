"""The checks of one file. Each yields findings; `CHECKS` lists them all."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import TypeAlias

from tools.language import words
from tools.language.finding import Finding
from tools.language.sentences import long_sentences
from tools.language.source import Source, identifier_words

COLUMNS = 100
SENTENCE_WORDS = 25
QUOTES_THE_WORDS = frozenset({"tools/language/words.py", "tests/unit/test_language.py"})

Check: TypeAlias = Callable[[Source], Iterator[Finding]]


def is_bare_participle(name: str) -> bool:
    """Return True for a name of one word that is a participle: `placed`, `ending`."""
    word = name.strip("_")
    if name.startswith("__") or "_" in word or not word.islower() or word in words.NOT_PARTICIPLES:
        return False
    if word in words.IRREGULAR:
        return True
    return len(word) > 4 and word.endswith(("ed", "ing"))


def check_participles(source: Source) -> Iterator[Finding]:
    """Refuse functions that are named by a bare participle."""
    why = "a participle neither acts nor names what is returned"
    instead = "write a verb phrase or a noun phrase"
    for function in source.functions:
        if is_bare_participle(function.name):
            what = f"function `{function.name}`"
            yield Finding(source.path, function.lineno, "participle", what, why, instead)


def check_function_words(source: Source) -> Iterator[Finding]:
    """Refuse functions of one word that is neither a verb nor a noun."""
    why = "the word is neither a verb nor a noun"
    instead = "write a verb phrase or a noun phrase"
    for function in source.functions:
        if function.name.strip("_") in words.NEITHER_VERB_NOR_NOUN:
            what = f"function `{function.name}`"
            yield Finding(source.path, function.lineno, "function", what, why, instead)


def check_openings(source: Source) -> Iterator[Finding]:
    """Refuse docstrings that begin with a question word or a pronoun."""
    why = "a docstring begins with an imperative, or names what is returned"
    for text in source.docstrings:
        opening = text.text.split(maxsplit=1)[0].strip(",.:;*`")
        if opening in words.OPENINGS:
            what = f"docstring begins with `{opening}`"
            instead = "write `Return ...`, or what the function does"
            yield Finding(source.path, text.line, "opening", what, why, instead)


def check_identifiers(source: Source) -> Iterator[Finding]:
    """Refuse identifiers of the old dialect."""
    for name in source.identifiers:
        for banned in words.BANNED_WORDS:
            if banned_in_name(banned, source.path, name.text):
                what = f"identifier `{name.text}`"
                instead = f"write {banned.instead}"
                yield Finding(source.path, name.line, "word", what, "old dialect", instead)
                break


def banned_in_name(banned: words.BannedWord, path: str, name: str) -> bool:
    """Return True if an identifier, or a word in it, is banned in this file."""
    if banned.scope == words.IDENTIFIER:
        return banned.pattern.match(name) is not None
    if banned.scope == words.PROSE or path.startswith(banned.allowed_paths or "\0"):
        return False
    return any(banned.pattern.match(word) for word in identifier_words(name))


def check_prose(source: Source) -> Iterator[Finding]:
    """Refuse words of the old dialect in comments, docstrings, messages and documents."""
    if source.path in QUOTES_THE_WORDS:
        return
    rows = [banned for banned in words.BANNED_WORDS if banned.scope == words.PROSE]
    for piece in source.prose:
        for banned in rows:
            for offset, word in banned.hits(piece.text):
                line = piece.line + piece.text.count("\n", 0, offset)
                instead = f"write {banned.instead}"
                yield Finding(source.path, line, "word", f"`{word}`", "old dialect", instead)


def width(line: str) -> int:
    """Return the columns that a terminal needs: a Chinese character takes two."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in line)


def check_widths(source: Source) -> Iterator[Finding]:
    """Refuse lines over 100 columns. Tables, transcripts and single long tokens are exempt."""
    why = f"over {COLUMNS} columns"
    transcript = False
    for number, line in enumerate(source.lines, 1):
        if source.is_document and line.startswith("```"):
            transcript = line.startswith("```console")
        if width(line) > COLUMNS and not transcript and not is_unbreakable(source, line):
            what = f"{width(line)} columns"
            yield Finding(source.path, number, "width", what, why, "break the line")


def is_unbreakable(source: Source, line: str) -> bool:
    """Return True for a row of a table and for one token, such as a long link."""
    if source.is_document and line.lstrip().startswith("|"):
        return True
    return re.fullmatch(r"\s*(?:[-*#]\s+|//\s+)?\S+", line) is not None


def check_sentences(source: Source) -> Iterator[Finding]:
    """Refuse sentences of more than 25 words in docstrings and documents."""
    why = f"over {SENTENCE_WORDS} words: one sentence, one fact"
    for line, length, opening in long_sentences(source, SENTENCE_WORDS):
        what = f"{length} words: `{opening} ...`"
        yield Finding(source.path, line, "sentence", what, why, "split the sentence")


CHECKS: dict[str, Check] = {
    "participle": check_participles,
    "function": check_function_words,
    "opening": check_openings,
    "identifier": check_identifiers,
    "word": check_prose,
    "width": check_widths,
    "sentence": check_sentences,
}


def check_source(source: Source) -> list[Finding]:
    """Return the findings of every check, in the order of lines."""
    return sorted(finding for check in CHECKS.values() for finding in check(source))
