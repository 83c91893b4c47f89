"""What the whole-program benches are made of; each file that is run is a process of its own."""
