-- SUMMARIZE tells the smallest and the greatest value.
-- caught_by: proof
-- says: cannot be followed

select min as k from (summarize {{ ref('dim_customers') }})
