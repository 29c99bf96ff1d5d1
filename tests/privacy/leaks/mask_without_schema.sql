-- A function of no schema with a mask's name.
-- caught_by: proof
-- says: cannot be followed

select email_key(email) as k
from {{ ref('dim_customers') }}
