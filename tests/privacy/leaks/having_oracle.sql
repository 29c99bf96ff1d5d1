-- A filter of groups by a personal value.
-- caught_by: proof
-- says: uses personal columns indirectly

select country as k
from {{ ref('dim_customers') }}
group by country
having max(full_name) > 'M'
