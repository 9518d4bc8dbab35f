"""From metrics to paper: tables, figures and a typeset report of one experiment."""
