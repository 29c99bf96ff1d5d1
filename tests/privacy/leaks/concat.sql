-- Text is put around the value.
-- caught_by: proof
-- says: shows shop.customers.email

select 'contact: ' || email || '.' as k
from {{ ref('dim_customers') }}
