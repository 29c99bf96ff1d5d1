-- The length of the name.
-- caught_by: proof
-- says: shows shop.customers.full_name

select country as k, length(full_name) as width
from {{ ref('dim_customers') }}
