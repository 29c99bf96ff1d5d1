-- One row a name.
-- caught_by: proof
-- says: uses personal columns indirectly

select count(*) as k
from {{ ref('dim_customers') }}
group by full_name
