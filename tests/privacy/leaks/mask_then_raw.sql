-- The mask where it gives something, else the raw value.
-- caught_by: proof
-- says: shows shop.customers.email

select coalesce({{ email_domain('email') }}, email) as k
from {{ ref('dim_customers') }}
