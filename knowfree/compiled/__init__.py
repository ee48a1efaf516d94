"""Machine code by numba (extra `compiled`), imported where it runs: methods are looked for without it."""
