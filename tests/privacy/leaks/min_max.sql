-- The smallest name.
-- caught_by: proof
-- says: shows shop.customers.full_name

select country as k, min(full_name) as first_name
from {{ ref('dim_customers') }}
group by country
