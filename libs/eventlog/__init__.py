"""Ordered logs and the loop that folds them: the mechanism, without a word of the domain."""
