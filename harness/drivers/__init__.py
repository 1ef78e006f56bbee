"""Ways to make a Central System act, all behind one small interface."""
