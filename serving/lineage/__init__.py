"""Column lineage: from which columns of which tables each column of a query is made.

compiled SQL -> DuckDB's own syntax tree -> inputs of every column, and what chose the rows

Nothing is guessed: a construct that this package does not know is a NotFollowed, with the place.
"""
