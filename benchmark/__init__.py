"""The protocol: methods, training, cells, scores, and the command that runs them."""

import os

if "OMP_WAIT_POLICY" not in os.environ:
    # After each operation torch's threads (libgomp's) look out for the next one 300,000 times before they sleep: so long they take the
    # cores from what `nn.lanes` puts there. A tenth of that is enough to be there when the next operation comes.
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")
