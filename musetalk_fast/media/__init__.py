"""What we were given, checked, normalised and hashed."""
