"""What an operator does: commands with everything that must be true before and after them."""
