-- A function of another schema with a mask's name.
-- caught_by: proof
-- says: cannot be followed

select other.email_key(email) as k
from {{ ref('dim_customers') }}
