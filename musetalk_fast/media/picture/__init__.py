"""Picture files: recognised, bounded, decoded, brought to opaque sRGB."""
