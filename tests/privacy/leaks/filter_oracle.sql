-- A filter that only one person passes.
-- caught_by: proof
-- says: uses personal columns indirectly

select country as k
from {{ ref('dim_customers') }}
where email = 'canary.quillfeather@example.com'
