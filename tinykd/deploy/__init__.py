"""Out of the door: ``tinykd.open`` and its predictors, export, int8, a runtime without torch. Taught in lesson 08.

This face imports nothing, so that an exported model runs where torch is not installed.
"""
