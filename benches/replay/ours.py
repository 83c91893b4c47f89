"""The real command, `musetalk-fast ...`, with what a bench needs of it from outside.

python -m benches.replay.ours [--null-encoder] [--modules FILE] ARGUMENTS
"""

from __future__ import annotations

import atexit
import json
import sys
from pathlib import Path

from musetalk_fast.cli.main import main

if __name__ == "__main__":
    if sys.argv[1] == "--null-encoder":
        del sys.argv[1]
        from benches.replay.null_encoder import use_null_encoder

        use_null_encoder()
    if sys.argv[1] == "--modules":
        path = Path(sys.argv[2])
        del sys.argv[1:3]
        atexit.register(lambda: path.write_text(json.dumps(sorted(sys.modules))))
    main()
