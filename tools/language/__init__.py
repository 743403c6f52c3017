"""Check the language of the repository: names, docstrings, words, widths, sentences, subjects."""
