"""`python -m augmix.suite.cli` is the command `augmix`."""

import sys

from augmix.suite.cli import main

sys.exit(main())
