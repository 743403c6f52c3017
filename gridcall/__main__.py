"""python -m gridcall"""

from gridcall.cli import main

main()
