-- A table function runs SQL in a text.
-- caught_by: proof
-- says: cannot be followed

select * from query('select email as k from marts.dim_customers')
