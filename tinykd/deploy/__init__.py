"""Predictors, export, int8, and a runtime without torch. Taught in lesson 10.

Nothing is imported here, so that an exported model runs where torch is not installed.
"""
