"""python -m gridcall"""

from gridcall.cli import entry

if __name__ == "__main__":
    entry()
