-- The rank gives away the alphabetical order of the people.
-- caught_by: proof
-- says: uses personal columns indirectly

select row_number() over (order by full_name) as k, country
from {{ ref('dim_customers') }}
