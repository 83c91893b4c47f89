"""What the benches of the program are made of; each file that is run is a process of its own."""
