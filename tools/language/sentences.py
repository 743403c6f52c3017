"""Find the sentences of docstrings and documents, and count their words."""

import re
from collections.abc import Iterator

from tools.language.source import Source, Text

SENTENCE_END = re.compile(r"[.!?](?=[\s)*\"']|$)")
ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|cf|vs|etc|no|No|St|approx)\.$")
ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+|^\s*\|")
CODE = re.compile(r"`[^`]*`")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def long_sentences(source: Source, most: int) -> Iterator[tuple[int, int, str]]:
    """Yield line, number of words and opening of each sentence of more than `most` words."""
    for paragraph in paragraphs(source):
        for line, sentence in sentences(paragraph):
            spoken = re.findall(r"[\w'’-]*[A-Za-z0-9][\w'’/-]*", sentence)
            if len(spoken) > most:
                yield line, len(spoken), " ".join(sentence.split()[:6])


def paragraphs(source: Source) -> Iterator[Text]:
    """Yield the paragraphs of every docstring, or of a document."""
    if source.is_document:
        yield from split_paragraphs(1, source.lines)
    for text in source.docstrings:
        yield from split_paragraphs(text.line, text.text.split("\n"))


def split_paragraphs(first: int, lines: list[str]) -> Iterator[Text]:
    """Split lines at blank ones, at items of lists, rows of tables, headings and code blocks."""
    begun, gathered, fenced = first, list[str](), False
    for number, line in enumerate(lines, first):
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        is_code = fence or fenced or line.startswith(("    ", "\t"))
        is_break = is_code or not line.strip() or line.startswith(("#", "<"))
        if (is_break or ITEM.match(line)) and gathered:
            yield Text(begun, "\n".join(gathered))
            gathered = []
        if not is_break:
            begun = begun if gathered else number
            gathered.append(ITEM.sub("", line))
    if gathered:
        yield Text(begun, "\n".join(gathered))


def sentences(paragraph: Text) -> Iterator[tuple[int, str]]:
    """Yield each sentence of a paragraph with its line. A cell of a table ends a sentence."""
    text = CODE.sub(lambda code: "code" + "\n" * code.group().count("\n"), paragraph.text)
    text = LINK.sub(r"\1", text)
    start = 0
    for end in [*ends(text), len(text)]:
        if text[start:end].strip():
            lead = len(text[start:end]) - len(text[start:end].lstrip())
            yield paragraph.line + text.count("\n", 0, start + lead), text[start:end].strip()
        start = end


def ends(text: str) -> Iterator[int]:
    """Yield the offset after each sentence."""
    for end in re.finditer(rf"{SENTENCE_END.pattern}|\s\|\s", text):
        if not ABBREVIATION.search(text[: end.end()]):
            yield end.end()
