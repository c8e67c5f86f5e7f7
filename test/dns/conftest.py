"""Fixtures of the tests of the DNS proxy."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from kit import fate, lab  # noqa: E402, F401
