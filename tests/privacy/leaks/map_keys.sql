-- The keys of a map.
-- caught_by: proof
-- says: shows shop.customers.email

select map_keys(map([coalesce(email, '')], [1])) as k
from {{ ref('dim_customers') }}
