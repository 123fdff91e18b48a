"""For nbval: the kernels inherit this environment."""

import os

os.environ["TQDM_DISABLE"] = "1"  # a bar's outputs differ at every run
