"""A demo district and the world around it: content to adopt, and lines that report, so that a visitor sees gridcall at work."""
