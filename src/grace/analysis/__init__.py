"""Statistics on merged tables: the tests of both studies, references, comparisons; heavy packages load here.

Matrices are small here, so threads of linear algebra would mostly wait for each other; and with one thread the last
digits do not depend on how many cores a machine has. Numpy reads the number when it is loaded.
"""

import os
from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.analysis.analyze import analyze_runs, analyze_table, write_analysis
    from grace.analysis.compare import compare_models
    from grace.analysis.compare_sides import read_side

__all__ = ["analyze_runs", "analyze_table", "compare_models", "read_side", "write_analysis"]

__getattr__ = exported(
    __name__,
    analyze_runs="analyze",
    analyze_table="analyze",
    write_analysis="analyze",
    compare_models="compare",
    read_side="compare_sides",
)

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
