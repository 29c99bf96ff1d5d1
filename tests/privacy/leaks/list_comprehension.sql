-- A list comprehension captures the value of its row.
-- caught_by: proof
-- says: shows shop.customers.email

select [email for x in [1] if x > 0] as k
from {{ ref('dim_customers') }}
