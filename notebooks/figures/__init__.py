"""The figures of the lessons, one module a lesson: a call in the lesson, the drawing here."""
