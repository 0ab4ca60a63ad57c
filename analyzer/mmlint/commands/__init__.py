"""The commands of the command line, a module each; `mmlint.cli` puts them together."""
