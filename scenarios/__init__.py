"""Three applications beside the package: customer service, finance, recommendation. Lessons 13 to 15.

They import public names of tinykd only, and are not part of its wheel. ``python -m scenarios`` is their command line.
"""
