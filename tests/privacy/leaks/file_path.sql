-- A table function reads the warehouse as a file.
-- caught_by: proof
-- says: cannot be followed

select content as k from read_text('warehouse.duckdb')
