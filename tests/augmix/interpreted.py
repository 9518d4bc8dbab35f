"""Try the fused kernels in Triton's interpreter and print what they get wrong.

    TRITON_INTERPRET=1 python -m tests.augmix.interpreted

A process of its own: Triton reads the variable when it is imported.
"""

import json

from augmix.operations import launch
from tests.augmix.operation_cases import wrong

if __name__ == "__main__":
    print(json.dumps(wrong(launch), indent=1))
