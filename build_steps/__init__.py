"""What setup.py and `make docs` make of the program's own commands, and of the sources."""
