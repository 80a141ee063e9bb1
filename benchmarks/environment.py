"""How many threads every library may use, told to those that read the environment.

Import it before them.
"""

import os

THREADS = 2

for _name in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "NUMBA_NUM", "PENCHANT"):
    os.environ.setdefault(f"{_name}_THREADS", str(THREADS))
# Threads that wait do so asleep: else peers that stand on OpenMP would be charged for waiting.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
