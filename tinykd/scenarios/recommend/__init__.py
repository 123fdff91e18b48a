"""Recommendation: what to borrow next, by what the text says. Taught in lesson 13."""
