"""tinykd: distil a large Transformer into a small one, and ship it."""
