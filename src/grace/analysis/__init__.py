"""Statistics on merged tables: the tests of both studies, references, comparisons; heavy packages load here.

Matrices are small here, so threads of linear algebra would spend their time waiting for each other; and with one thread
the last digits do not depend on how many cores a machine has. Numpy reads the number when it is loaded.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
