"""Programs that make and CI run; no part of the product."""
