"""Loaded by each Python that starts with this folder in its PYTHONPATH: it can be sampled (`bench.sampler`)."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from bench.sampler import obey  # found by the line above

obey(Path(os.environ["MONOSKOPE_BENCH_SAMPLES"]))
