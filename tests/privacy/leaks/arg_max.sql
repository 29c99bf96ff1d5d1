-- The value of the newest row.
-- caught_by: proof
-- says: shows shop.customers.email

select country as k, arg_max(email, created_at) as newest
from {{ ref('dim_customers') }}
group by country
