"""One module a method; `README.md` is their method card."""
