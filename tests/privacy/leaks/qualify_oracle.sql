-- Rows are chosen by the order of the names.
-- caught_by: proof
-- says: uses personal columns indirectly

select country as k
from {{ ref('dim_customers') }}
qualify row_number() over (partition by country order by full_name) = 1
