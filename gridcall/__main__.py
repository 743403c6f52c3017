"""python -m gridcall"""

from gridcall.cli.main import entry

if __name__ == "__main__":
    entry()
