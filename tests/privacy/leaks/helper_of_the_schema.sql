-- A function of the schema that is no mask.
-- caught_by: proof
-- says: cannot be followed

select privacy.keyed_hash(email) as k
from {{ ref('dim_customers') }}
