"""Tables: what is in them, how they are written, and what is said below them."""
