"""What must be set before scipy is imported. The disk cache of kernels needs no care: it knows their sources."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips its array API checks
