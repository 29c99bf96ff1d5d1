-- The number of different names.
-- caught_by: proof
-- says: uses personal columns indirectly

select country as k, count(distinct full_name) as names
from {{ ref('dim_customers') }}
group by country
