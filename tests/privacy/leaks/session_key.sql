-- The key of the pseudonyms.
-- caught_by: proof
-- says: cannot be followed

select getvariable('privacy_ipad') as k
from {{ ref('dim_customers') }}
