"""Count the inputs."""

import functools

from hypothesis import given

inputs = 0


def fuzz(**strategies):
    """``hypothesis.given``, with a count."""

    def decorate(test):
        @functools.wraps(test)
        def counted(*arguments, **options):
            global inputs
            inputs += 1
            return test(*arguments, **options)

        return given(**strategies)(counted)

    return decorate
