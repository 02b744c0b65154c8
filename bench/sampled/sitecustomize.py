"""Loaded by each Python that starts with this folder in its PYTHONPATH: it can be sampled (`bench.profile`)."""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from bench.sampler import obey  # noqa: E402  found only by the line above

obey(os.environ["MONOSKOPE_BENCH_SAMPLES"])
