-- Rows meet by a comparison of names.
-- caught_by: proof
-- says: uses personal columns indirectly

select a.country as k
from {{ ref('dim_customers') }} as a
join {{ ref('dim_customers') }} as b on a.full_name < b.full_name
