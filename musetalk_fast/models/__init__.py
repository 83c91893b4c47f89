"""The weights of the MuseTalk engine: where they come from, and whether they are whole."""
