"""Picture files: recognised, bounded, decoded, brought to sRGB."""
