-- Whether somebody has a phone.
-- caught_by: proof
-- says: uses personal columns indirectly

select country as k, phone is null as is_silent
from {{ ref('dim_customers') }}
