"""What all services of gridcall share. Start with catalogue.py: every event, in the order of a
case's life.
"""
