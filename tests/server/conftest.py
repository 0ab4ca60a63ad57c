from tests.cli.conftest import tree

__all__ = ["tree"]
