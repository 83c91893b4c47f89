"""The kernels in plain NumPy: their specification, their test oracle, and what runs without C."""
