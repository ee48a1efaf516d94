"""What the suite costs: profiles whose figures stand in documentation, and timings against plain formulations."""
