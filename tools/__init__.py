"""Programs for developers: the checker, the reference model, generated documents."""
