"""``python -m penchant``: the command line."""

from penchant.cli import app

if __name__ == "__main__":
    app(prog_name="penchant")
