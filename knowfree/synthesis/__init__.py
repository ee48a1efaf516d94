"""Label extension and explanation synthesis: the LLM half of KnowFREE."""
