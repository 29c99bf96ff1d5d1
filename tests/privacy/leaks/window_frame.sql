-- The first value of a frame.
-- caught_by: proof
-- says: shows shop.customers.full_name

select first_value(full_name) over (order by created_at rows between 1 preceding and current row) as k
from {{ ref('dim_customers') }}
