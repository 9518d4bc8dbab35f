"""One module a method; docs/methods.md lists them, each with a card."""
