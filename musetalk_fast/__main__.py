"""The program: `musetalk-fast`, and `python -m musetalk_fast`."""

from __future__ import annotations

from musetalk_fast.cli.immediate_exit import stop_on_signals
from musetalk_fast.cli.stdio import prepare_standard_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Do what must come before imports that take long, then run the command line and exit."""
    stop_on_signals()
    prepare_standard_files()
    from musetalk_fast.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
