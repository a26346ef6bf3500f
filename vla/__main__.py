"""`python -m vla`, and so `torchrun -m vla train ...` on several processes."""

import sys

from vla.cli import main

sys.exit(main())
