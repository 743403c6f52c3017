"""The tables that simulate writes."""
