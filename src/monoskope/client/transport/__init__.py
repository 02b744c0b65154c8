"""The ways to one m8: each carries a call there, and turns its failures into our errors."""
