"""Print the summary that `gridcall simulate` must write.

python -m tools.reference_model --profile FILE --map DIR --until TIME FILE ...
"""

import argparse
import sys
from pathlib import Path

from tools.reference_model.files import expected_files


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Print the summary that `gridcall simulate` must come to."
    )
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--map", type=Path, required=True)
    parser.add_argument("--until", required=True)
    parser.add_argument("inputs", type=Path, nargs="+", metavar="FILE")
    options = parser.parse_args()
    sys.stdout.write(
        expected_files(options.profile, options.map, options.inputs, options.until)["summary.json"]
    )


if __name__ == "__main__":
    main()
