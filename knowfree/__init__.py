"""KnowFREE (arXiv 2501.19093): a span model that fuses extension labels with local attention and masks them at inference."""
