"""Native work, in the order a frame meets it: base64, checksum, JPEG, paste, picture."""
