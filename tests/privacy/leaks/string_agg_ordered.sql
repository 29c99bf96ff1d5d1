-- The order of a list of public values gives away the names.
-- caught_by: proof
-- says: uses personal columns indirectly

select string_agg(country, ',' order by full_name) as k
from {{ ref('dim_customers') }}
