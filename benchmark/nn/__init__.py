"""Parts that several neural methods share: encoder, batches, span grid, CRF, taggers."""
