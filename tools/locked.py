"""Print the version of every package that the requirements bring here, as constraints for pip.

.venv/bin/python tools/locked.py > locked.txt
pip install --constraint locked.txt --requirement requirements.txt --editable .

``locked.txt`` is what the project was last tested with: with Python 3.11, it gives the same environment in years.
"""

from importlib.metadata import version

from licences import closure, direct

if __name__ == "__main__":
    for name in sorted(closure(direct())):
        print(f"{name}=={version(name).split('+')[0]}")  # +cpu names a place, not a version
