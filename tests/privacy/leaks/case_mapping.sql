-- A CASE tells one person from all others.
-- caught_by: proof
-- says: uses personal columns indirectly

select country as k, case when full_name = 'Canary Quillfeather' then 'vip' else 'other' end as tier
from {{ ref('dim_customers') }}
