"""`python -m unified_ws` is the command `unified-ws`."""

from __future__ import annotations

import sys

from unified_ws.cli import main

if __name__ == "__main__":
    sys.exit(main())
