-- The mask beside the raw value.
-- caught_by: proof
-- says: shows shop.customers.email

select {{ email_key('email') }} || email as k
from {{ ref('dim_customers') }}
