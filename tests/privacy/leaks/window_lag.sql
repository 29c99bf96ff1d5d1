-- A window function brings the value of the row before.
-- caught_by: proof
-- says: shows shop.customers.email

select lag(email) over (order by created_at) as k
from {{ ref('dim_customers') }}
