"""Parsing: the bytes of an item become a checked model, or a problem that says what is wrong.

The models are the contract: a field that they do not name is refused. An error says where something
is wrong and what would be right. It repeats nothing of the item but the name of a field.
"""
