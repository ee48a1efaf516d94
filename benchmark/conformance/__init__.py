"""What any method must keep to: checks that are run on it with small data, whoever wrote it."""
