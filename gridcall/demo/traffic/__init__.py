"""The world outside gridcall: platforms that report, people who act."""
