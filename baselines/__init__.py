"""Methods that KnowFREE is compared with, one file each; a file dropped here is found by name."""
