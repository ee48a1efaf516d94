"""Machine code by numba (extra `compiled`): what torch does in many passes over memory, in one."""
