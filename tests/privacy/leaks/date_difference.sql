-- The age in days.
-- caught_by: proof
-- says: shows shop.customers.birth_date

select date_diff('day', birth_date, current_date) as k
from {{ ref('dim_customers') }}
