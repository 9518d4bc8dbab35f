"""The errors that are the user's to mend: one clear line, no traceback."""


class UserError(Exception):
    """Bad input. Its message says what is wrong, where, and what to do; the command line exits 2."""


class RunError(Exception):
    """A run ended without a result (diverged, refused by a lock, …). The command line exits 1."""
