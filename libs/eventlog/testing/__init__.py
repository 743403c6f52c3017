"""Sentences for the tests of deciders."""
